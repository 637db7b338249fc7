//! Schemas that can be mapped to typed data, and messages of them.

use serde_json::{Map, Value, json};
use surety_core::crypto::keccak256;

/// Choices that are the same on every run.
pub struct Dice(u64);

impl Dice {
    pub fn new() -> Self {
        Self(0)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 += 1;
        let hash = keccak256(&self.0.to_be_bytes());
        u64::from_be_bytes(hash[..8].try_into().unwrap()) % sides
    }

    fn text(&mut self) -> String {
        let words =
            ["", "a", "0x00", "é", "\u{0}\u{1f}\"\\/", "🧀 and more than thirty-two bytes of text"];
        (0..self.roll(3)).map(|_| words[self.roll(6) as usize]).collect()
    }

    fn hex(&mut self, bytes: usize) -> String {
        format!("0x{}", hex::encode(&keccak256(&self.roll(u64::MAX).to_be_bytes())[..bytes]))
    }

    fn twice(&mut self, value: impl Fn(&mut Self) -> Value) -> [Value; 2] {
        [value(self), value(self)]
    }

    /// A schema and two values of it.
    fn case(&mut self, depth: u32) -> (Value, [Value; 2]) {
        const MAX: i64 = 9_007_199_254_740_991;
        match self.roll(if depth == 0 { 6 } else { 9 }) {
            0 => (json!({"type": "string"}), self.twice(|d| d.text().into())),
            1 => (json!({"type": "boolean"}), self.twice(|d| (d.roll(2) == 0).into())),
            2 => {
                let schema = json!({"type": "integer", "minimum": -MAX, "maximum": MAX});
                (schema, self.twice(|d| (d.roll(2 * MAX as u64) as i64 - MAX).into()))
            }
            3 => {
                let schema = json!({"type": "integer", "minimum": 0, "maximum": MAX});
                (schema, self.twice(|d| d.roll(MAX as u64).into()))
            }
            4 => {
                let schema = json!({"type": "string", "pattern": "^0x[0-9a-f]{40}$"});
                (schema, self.twice(|d| d.hex(20).into()))
            }
            5 => {
                let schema = json!({"type": "string", "pattern": "^0x[0-9a-f]{64}$"});
                (schema, self.twice(|d| d.hex(32).into()))
            }
            6 => {
                let (items, values) = self.case(depth - 1);
                let length = self.roll(2) as usize;
                let arrays = [json!(values), json!(values[..length])];
                (json!({"type": "array", "items": items}), arrays)
            }
            _ => self.object(depth - 1),
        }
    }

    /// A schema of an object and two values of it.
    pub fn object(&mut self, depth: u32) -> (Value, [Value; 2]) {
        let (mut properties, mut one, mut other) = (Map::new(), Map::new(), Map::new());
        for _ in 0..=self.roll(5) {
            let names = ["b", "a", "Z", "with_words", "c9", "constructor", "name", "type"];
            let name = names[self.roll(8) as usize];
            let (schema, [first, second]) = self.case(depth);
            properties.insert(name.to_owned(), schema);
            one.insert(name.to_owned(), first);
            other.insert(name.to_owned(), second);
        }
        let required: Vec<_> = properties.keys().cloned().collect();
        let schema = json!({
            "type": "object", "required": required, "additionalProperties": false,
            "properties": properties,
        });
        (schema, [one.into(), other.into()])
    }
}
