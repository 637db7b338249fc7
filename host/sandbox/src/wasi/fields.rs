//! Headers as a guest builds and reads them.

use surety_core::effect::{HEAD_BYTES_MAX, HEADERS_MAX, Header, HeaderRule, header_rule};
use wasmtime::component::Resource;

use super::bindings::wasi::http::types::{HeaderError, HostFields};
use crate::guest::Guest;

/// A list of headers.
pub struct Fields {
    /// Names in lower case.
    pub(super) list: Vec<Header>,
    /// Those of a response, or of a request that has them, stay as they are.
    pub(super) fixed: bool,
}

impl Fields {
    fn bytes(&self) -> usize {
        self.list.iter().map(|(name, value)| name.len() + value.len() + 4).sum()
    }

    fn check(&self, name: &str) -> Result<String, HeaderError> {
        if self.fixed {
            return Err(HeaderError::Immutable);
        }
        check_name(name)
    }

    fn add(&mut self, name: String, value: Vec<u8>) -> Result<(), HeaderError> {
        let line = |b: &u8| matches!(b, b'\r' | b'\n' | 0);
        if value.iter().any(line) {
            return Err(HeaderError::InvalidSyntax);
        }
        self.list.push((name, value));
        // There is no case for too many.
        if self.list.len() > HEADERS_MAX || self.bytes() > HEAD_BYTES_MAX {
            self.list.pop();
            return Err(HeaderError::InvalidSyntax);
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<String, HeaderError> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(HeaderError::InvalidSyntax);
    }
    match header_rule(name) {
        HeaderRule::Forbidden => Err(HeaderError::Forbidden),
        HeaderRule::Free | HeaderRule::Overwritten => Ok(name.to_ascii_lowercase()),
    }
}

type Done = wasmtime::Result<Result<(), HeaderError>>;

impl HostFields for Guest {
    fn new(&mut self) -> wasmtime::Result<Resource<Fields>> {
        self.count_call()?;
        Ok(self.wasi.table.push(Fields { list: Vec::new(), fixed: false })?)
    }

    fn from_list(
        &mut self,
        entries: Vec<(String, Vec<u8>)>,
    ) -> wasmtime::Result<Result<Resource<Fields>, HeaderError>> {
        self.count_call()?;
        let mut fields = Fields { list: Vec::new(), fixed: false };
        for (name, value) in entries {
            self.wasi.give(name.len() + value.len())?;
            let added = check_name(&name).and_then(|name| fields.add(name, value));
            if let Err(e) = added {
                return Ok(Err(e));
            }
        }
        Ok(Ok(self.wasi.table.push(fields)?))
    }

    fn get(&mut self, fields: Resource<Fields>, name: String) -> wasmtime::Result<Vec<Vec<u8>>> {
        self.count_call()?;
        let list = &self.wasi.table.get(&fields)?.list;
        let those = list.iter().filter(|(n, _)| n.eq_ignore_ascii_case(&name));
        Ok(those.map(|(_, value)| value.clone()).collect())
    }

    fn has(&mut self, fields: Resource<Fields>, name: String) -> wasmtime::Result<bool> {
        self.count_call()?;
        let list = &self.wasi.table.get(&fields)?.list;
        Ok(list.iter().any(|(n, _)| n.eq_ignore_ascii_case(&name)))
    }

    fn set(&mut self, fields: Resource<Fields>, name: String, values: Vec<Vec<u8>>) -> Done {
        self.count_call()?;
        self.wasi.give(name.len() + values.iter().map(Vec::len).sum::<usize>())?;
        let fields = self.wasi.table.get_mut(&fields)?;
        Ok(fields.check(&name).and_then(|name| {
            fields.list.retain(|(n, _)| *n != name);
            values.into_iter().try_for_each(|value| fields.add(name.clone(), value))
        }))
    }

    fn delete(&mut self, fields: Resource<Fields>, name: String) -> Done {
        self.count_call()?;
        let fields = self.wasi.table.get_mut(&fields)?;
        Ok(fields.check(&name).map(|name| fields.list.retain(|(n, _)| *n != name)))
    }

    fn append(&mut self, fields: Resource<Fields>, name: String, value: Vec<u8>) -> Done {
        self.count_call()?;
        self.wasi.give(name.len() + value.len())?;
        let fields = self.wasi.table.get_mut(&fields)?;
        Ok(fields.check(&name).and_then(|name| fields.add(name, value)))
    }

    fn entries(&mut self, fields: Resource<Fields>) -> wasmtime::Result<Vec<(String, Vec<u8>)>> {
        self.count_call()?;
        Ok(self.wasi.table.get(&fields)?.list.clone())
    }

    fn clone(&mut self, fields: Resource<Fields>) -> wasmtime::Result<Resource<Fields>> {
        self.count_call()?;
        let fields = self.wasi.table.get(&fields)?;
        let (list, bytes) = (fields.list.clone(), fields.bytes());
        self.wasi.give(bytes)?;
        Ok(self.wasi.table.push(Fields { list, fixed: false })?)
    }

    fn drop(&mut self, fields: Resource<Fields>) -> wasmtime::Result<()> {
        self.wasi.table.delete(fields)?;
        Ok(())
    }
}
