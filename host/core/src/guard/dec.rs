//! Decimals: whole numbers of up to 256 bits, as the strings in messages hold
//! them.

pub(super) use ruint::aliases::U256;

/// The most digits that 256 bits hold.
const DIGITS_MAX: usize = 78;

/// Reads the one spelling that a decimal has: digits, no sign, no leading zero.
///
/// # Errors
/// What a decimal looks like and this text does not, without the text. One that
/// is longer than any decimal is not looked at, so that no text is dear to read.
pub(super) fn parse(text: &str) -> Result<U256, &'static str> {
    if text.len() > DIGITS_MAX {
        return Err("is longer than a number of 256 bits");
    }
    if text.is_empty() || text.bytes().any(|b| !b.is_ascii_digit()) {
        return Err("is not a string of decimal digits");
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err("has a leading zero");
    }
    match text.parse::<u64>() {
        Ok(small) => Ok(U256::from(small)),
        Err(_) => U256::from_str_radix(text, 10).map_err(|_| "is larger than 256 bits hold"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_has_one_spelling() {
        for text in ["0", "7", "18446744073709551615", "18446744073709551616"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        let max = U256::MAX.to_string();
        assert_eq!(parse(&max), Ok(U256::MAX));
        assert_eq!(max.len(), DIGITS_MAX);
        let over = format!("{}6", &max[..DIGITS_MAX - 1]);
        let (long, unread) = ("1".repeat(100_000), format!("{}x", "1".repeat(100_000)));
        for (text, why) in [
            ("", "digits"),
            ("-1", "digits"),
            ("+1", "digits"),
            (" 1", "digits"),
            ("1_000", "digits"),
            ("1.0", "digits"),
            ("1e3", "digits"),
            ("0x10", "digits"),
            ("١٢", "digits"),
            ("00", "leading zero"),
            ("01", "leading zero"),
            (over.as_str(), "is larger than 256 bits"),
            (long.as_str(), "is longer than"),
            (unread.as_str(), "is longer than"),
        ] {
            assert!(parse(text).unwrap_err().contains(why), "{text:.20}");
        }
    }
}
