//! The schemas that the host itself checks by. Those of the message types come
//! with their workflows.

use std::sync::LazyLock;

use serde_json::Value;

use crate::schema::Schema;

macro_rules! schema {
    ($(#[$doc:meta])* $name:ident, $file:literal) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name() -> &'static Schema {
            static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
                let value = parse(include_str!(concat!("../../../schemas/", $file)));
                Schema::compile(&value).expect("a schema of this build compiles")
            });
            &SCHEMA
        }
    };
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("a schema of this build is JSON")
}

/// The schema of [`signal`] itself, for the typed data of signals.
#[must_use]
pub fn signal_json() -> Value {
    parse(include_str!("../../../schemas/signal.schema.json"))
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
