//! The schemas of this repository are within the bounds of what a schema may cost.

use serde_json::{Map, Value};
use surety_core::schema::Schema;

#[test]
fn all_schemas_here_are_taken() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut seen = 0;
    for folder in ["schemas", "sdk/templates/common", "docs/examples", "actions", "workflows"] {
        for entry in std::fs::read_dir(format!("{root}/{folder}")).unwrap() {
            let mut path = entry.unwrap().path();
            if path.is_dir() {
                path.push("manifest.json");
            }
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let Ok(value) = serde_json::from_str::<Value>(&text) else { continue };
            let parts = ["schema", "reads", "settings"].iter().filter_map(|name| value.get(*name));
            let returns = value.get("returns").and_then(Value::as_object);
            let returns = returns.into_iter().flat_map(Map::values);
            let parts = parts.chain(returns).filter(|part| part.is_object());
            for schema in std::iter::once(&value).chain(parts) {
                Schema::compile(schema).unwrap_or_else(|e| panic!("{path:?}: {e:?}"));
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}
