//! The contract for C: what `wit-bindgen-c` makes of it, written into a project
//! when it is new.

use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

use crate::Error;

/// Header, code and the object file with the contract's type, by their names.
pub(crate) fn generate(wit: &str) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut files = Files::default();
    let made = (|| {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("action.wit", wit)?;
        let world = resolve.select_world(&[package], Some("action"))?;
        wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files)
    })();
    made.map_err(|e| Error::Unexpected(format!("no bindings for C can be made: {e:#}")))?;
    Ok(files.iter().map(|(name, bytes)| (name.to_owned(), bytes.to_owned())).collect())
}
