//! The developer kit: makes a folder with an action or a validator in it, and a
//! component of the folder. It knows the guest contract and the SDKs, and no host; what a host
//! would say of the component is not asked here.
//!
//! ```text
//!  create ── template ── c_bindings           a project, whole
//!
//!  Project ── build ─┬─ rust        cargo  ┐ core module → component
//!                    ├─ c           zig cc ┘
//!                    ├─ javascript  componentize-qjs
//!                    └─ python      componentize-py
//!               └─ component: the manifest goes into it
//! ```

mod error;
mod kind;
mod lang;
mod project;
mod template;
mod tools;

mod c_bindings;

pub mod component;

mod c;
mod javascript;
mod python;
pub mod rust;

mod build;

pub use build::build;
pub use error::Error;
pub use kind::Kind;
pub use lang::Lang;
pub use project::{MANIFEST, Project};
pub use template::create;
