//! The one binary form that is hashed, stored and archived: a version byte,
//! then fields, each behind its length as four bytes, big-endian.
//!
//! Lengths make the form unambiguous, so that no two different values share
//! their bytes; nothing that was hashed is ever encoded a second time.

use thiserror::Error;

/// The version byte that every stored value starts with.
pub const VERSION: u8 = 1;

/// A stored value that cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The value was written by a version that this one does not know.
    #[error("stored value has version {0}, this host reads version {VERSION}")]
    Version(u8),
    /// The bytes end before the field that is expected.
    #[error("stored value ends inside field {0}")]
    Truncated(usize),
    /// Bytes are left behind the last field.
    #[error("stored value has {0} bytes behind its last field")]
    Trailing(usize),
    /// A field does not hold what it should.
    #[error("stored value has a malformed `{0}`")]
    Field(&'static str),
}

/// Writes a value field by field.
pub struct Writer(Vec<u8>);

impl Writer {
    /// Starts a value of the current version.
    #[must_use]
    pub fn new() -> Self {
        let mut buffer = Vec::with_capacity(512);
        buffer.push(VERSION);
        Self(buffer)
    }

    /// Appends a field. Fields are bounded far below 4 GiB by the limits on
    /// messages, Msg_Ext and bundles.
    ///
    /// # Panics
    /// When a field has 4 GiB or more.
    #[must_use]
    pub fn bytes(mut self, field: &[u8]) -> Self {
        let length = u32::try_from(field.len()).expect("a field is below 4 GiB");
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(field);
        self
    }

    /// Appends a text field as UTF-8.
    #[must_use]
    pub fn text(self, field: &str) -> Self {
        self.bytes(field.as_bytes())
    }

    /// Appends a number as eight bytes, big-endian.
    #[must_use]
    pub fn number(self, field: u64) -> Self {
        self.bytes(&field.to_be_bytes())
    }

    /// The finished value.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads a value field by field, and never past its end.
pub struct Reader<'a> {
    rest: &'a [u8],
    read: usize,
}

impl<'a> Reader<'a> {
    /// Opens a value and checks its version.
    ///
    /// # Errors
    /// When it is empty or of another version.
    pub fn new(value: &'a [u8]) -> Result<Self, DecodeError> {
        match value.split_first() {
            Some((&VERSION, rest)) => Ok(Self { rest, read: 0 }),
            Some((&other, _)) => Err(DecodeError::Version(other)),
            None => Err(DecodeError::Truncated(0)),
        }
    }

    /// The next field.
    ///
    /// # Errors
    /// When the value ends before it does.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let truncated = DecodeError::Truncated(self.read);
        let (length, rest) = self.rest.split_first_chunk::<4>().ok_or(truncated.clone())?;
        let length = u32::from_be_bytes(*length) as usize;
        let (field, rest) = rest.split_at_checked(length).ok_or(truncated)?;
        self.rest = rest;
        self.read += 1;
        Ok(field)
    }

    /// The next field as text.
    ///
    /// # Errors
    /// When it is missing or not UTF-8.
    pub fn text(&mut self, name: &'static str) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::Field(name))
    }

    /// The next field as a number.
    ///
    /// # Errors
    /// When it is missing or not eight bytes long.
    pub fn number(&mut self, name: &'static str) -> Result<u64, DecodeError> {
        self.array(name).map(u64::from_be_bytes)
    }

    /// The next field as exactly `N` bytes.
    ///
    /// # Errors
    /// When it is missing or of another length.
    pub fn array<const N: usize>(&mut self, name: &'static str) -> Result<[u8; N], DecodeError> {
        self.bytes()?.try_into().map_err(|_| DecodeError::Field(name))
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// When bytes are left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing(left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_was_written_and_nothing_else() {
        let value = Writer::new().text("a").number(7).bytes(&[1, 2, 3]).finish();
        let mut reader = Reader::new(&value).unwrap();
        assert_eq!(reader.text("a").unwrap(), "a");
        assert_eq!(reader.number("n").unwrap(), 7);
        assert_eq!(reader.array::<3>("b").unwrap(), [1, 2, 3]);
        reader.finish().unwrap();

        for cut in 0..value.len() {
            let outcome = Reader::new(&value[..cut]).and_then(|mut r| {
                r.text("a")?;
                r.number("n")?;
                r.array::<3>("b")?;
                r.finish()
            });
            assert!(outcome.is_err(), "a value cut at {cut} was read");
        }
    }

    #[test]
    fn boundaries_between_fields_are_part_of_the_bytes() {
        let one = Writer::new().text("ab").text("c").finish();
        let other = Writer::new().text("a").text("bc").finish();
        assert_ne!(one, other);
    }

    #[test]
    fn refuses_other_versions_and_trailing_bytes() {
        assert_eq!(Reader::new(&[9]).err(), Some(DecodeError::Version(9)));
        let reader = Reader::new(&[VERSION, 0]).unwrap();
        assert_eq!(reader.finish(), Err(DecodeError::Trailing(1)));
    }
}
