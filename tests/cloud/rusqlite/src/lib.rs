//! rusqlite 0.41 under the name of 0.36.
//!
//! dynoxide, the DynamoDB of the tests, asks for rusqlite 0.36; surety's store uses
//! 0.41. One binary can link one SQLite only, and the tests link both. dynoxide
//! compiles against 0.41 as it is, so the workspace gives it this: `[patch]` in the
//! root's `Cargo.toml` puts it in the place of 0.36, and nowhere else. When dynoxide
//! asks for 0.41 itself, this folder and that line go.
pub use now::*;
