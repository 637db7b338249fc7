//! The schemas that the host itself checks by. Those of the message types come
//! with their workflows.

use std::sync::LazyLock;

use crate::schema::Schema;

macro_rules! schema {
    ($(#[$doc:meta])* $name:ident, $file:literal) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name() -> &'static Schema {
            static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
                let text = include_str!(concat!("../../../schemas/", $file));
                let value = serde_json::from_str(text).expect("a schema of this build is JSON");
                Schema::compile(&value).expect("a schema of this build compiles")
            });
            &SCHEMA
        }
    };
}

schema!(
    /// What is submitted.
    envelope, "envelope.schema.json"
);
schema!(
    /// What the text of every message has, whatever its type.
    message, "message.schema.json"
);
schema!(
    /// The text of a signal.
    signal, "signal.schema.json"
);
schema!(
    /// A workflow as it is deployed.
    workflow, "workflow.schema.json"
);
schema!(
    /// The manifest inside a module.
    manifest, "manifest.schema.json"
);
