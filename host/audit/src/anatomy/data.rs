//! What stands in data that should make a reviewer look: secrets, addresses, and
//! the paths of whoever built it.

/// Texts shorter than this are chance.
const TEXT_BYTES_MIN: usize = 8;

/// The most hits of a kind in all of a component.
const HITS_MAX: usize = 20;

/// The longest piece of a text that is shown.
const SHOWN_BYTES_MAX: usize = 120;

/// How long a name and what stands before it in a URL are looked at; a name has
/// 253 bytes.
const URL_BYTES_MAX: usize = 300;

/// The longest label of a PEM text with its beginning.
const PEM_LABEL_BYTES_MAX: usize = 40;

/// The digits of a key of 32 bytes, as Ethereum's and many others are.
const KEY_DIGITS: usize = 64;

/// Different digits in a key: one with fewer comes once in 100,000 keys, and tables
/// of digits have them in order, in longer runs.
const KEY_DISTINCT_MIN: usize = 10;

/// What a hit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    PrivateKey,
    KeyLikeHex,
    Token,
    Url,
    BuildPath,
}

/// Something found in data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) kind: Kind,
    /// Where.
    pub(crate) place: String,
    /// What; of a secret no more than tells it from others.
    pub(crate) shown: String,
}

/// Prefixes by which services mark their tokens, and the least that follows.
const TOKENS: [(&str, usize); 8] = [
    ("AKIA", 16),
    ("ghp_", 36),
    ("github_pat_", 22),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("sk_live_", 16),
    ("AIza", 35),
    ("eyJhbGciOi", 20),
];

const SCHEMES: [&str; 5] = ["http://", "https://", "ws://", "wss://", "ftp://"];

/// Where people's folders are. What a toolchain writes for its own sources is none
/// of anybody's.
const HOMES: [&str; 4] = ["/home/", "/Users/", "/root/", "C:\\Users\\"];

/// Looks at all texts in data; gives how many hits were left out.
pub(super) fn scan(data: &[u8], place: &str, hits: &mut Vec<Hit>) -> u64 {
    let mut found = Found { hits, place, left_out: 0 };
    let printable = |b: &u8| matches!(b, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    for text in data.split(|b| !printable(b)).filter(|text| text.len() >= TEXT_BYTES_MIN) {
        // Printable ASCII is UTF-8.
        let Ok(text) = std::str::from_utf8(text) else { continue };
        found.keys(text);
        found.tokens(text);
        found.urls(text);
        found.paths(text);
    }
    found.left_out
}

struct Found<'h, 'p> {
    hits: &'h mut Vec<Hit>,
    place: &'p str,
    left_out: u64,
}

impl Found<'_, '_> {
    fn add(&mut self, kind: Kind, shown: &str) {
        let shown = &shown[..shown.floor_char_boundary(SHOWN_BYTES_MAX)];
        let hit = Hit { kind, place: self.place.to_owned(), shown: shown.to_owned() };
        if self.hits.contains(&hit) {
            return;
        }
        match self.hits.iter().filter(|hit| hit.kind == kind).count() < HITS_MAX {
            true => self.hits.push(hit),
            false => self.left_out += 1,
        }
    }

    fn keys(&mut self, text: &str) {
        for (at, _) in text.match_indices("PRIVATE KEY-----") {
            if text[at.saturating_sub(PEM_LABEL_BYTES_MAX)..at].contains("-----BEGIN ") {
                self.add(Kind::PrivateKey, "-----BEGIN … PRIVATE KEY-----");
            }
        }
        for run in text.split(|c: char| !c.is_ascii_hexdigit() && c != 'x') {
            let digits = run.rsplit('x').next().unwrap_or_default();
            if digits.len() == KEY_DIGITS && is_varied(digits) {
                self.add(Kind::KeyLikeHex, &format!("{}… ({KEY_DIGITS} digits)", &digits[..4]));
            }
        }
    }

    fn tokens(&mut self, text: &str) {
        for (prefix, least) in TOKENS {
            for (at, _) in text.match_indices(prefix) {
                let rest = text[at + prefix.len()..].bytes();
                let length = rest.take_while(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
                if length.take(least).count() == least {
                    self.add(Kind::Token, &format!("{prefix}…"));
                }
            }
        }
    }

    fn urls(&mut self, text: &str) {
        for scheme in SCHEMES {
            for (at, _) in text.match_indices(scheme) {
                let rest = &text[at + scheme.len()..];
                let rest = &rest[..rest.floor_char_boundary(URL_BYTES_MAX)];
                let ends = |c: char| !(c.is_ascii_alphanumeric() || ".-[]:@_~%".contains(c));
                let authority = &rest[..rest.find(ends).unwrap_or(rest.len())];
                match authority.rsplit_once('@') {
                    Some((_, host)) => self.add(Kind::Url, &format!("{scheme}…@{host}")),
                    None if authority.is_empty() => {}
                    None => self.add(Kind::Url, &format!("{scheme}{authority}")),
                }
            }
        }
    }

    fn paths(&mut self, text: &str) {
        for home in HOMES {
            for (at, _) in text.match_indices(home) {
                let rest = &text[at..];
                let rest = &rest[..rest.floor_char_boundary(SHOWN_BYTES_MAX)];
                let ends = |c: char| c.is_whitespace() || "\"'`:;,<>|()".contains(c);
                let end = rest[home.len()..].find(ends).map_or(rest.len(), |end| end + home.len());
                self.add(Kind::BuildPath, &rest[..end]);
            }
        }
    }
}

/// Whether digits are as mixed as a key's.
fn is_varied(digits: &str) -> bool {
    let mut seen = [false; 16];
    for digit in digits.chars().filter_map(|c| c.to_digit(16)) {
        seen[digit as usize] = true;
    }
    seen.into_iter().filter(|seen| *seen).count() >= KEY_DISTINCT_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(data: &[u8]) -> Vec<(Kind, String)> {
        let mut hits = Vec::new();
        assert_eq!(scan(data, "here", &mut hits), 0);
        hits.into_iter().map(|hit| (hit.kind, hit.shown)).collect()
    }

    const KEY: &str = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";

    #[test]
    fn secrets_are_found_and_not_shown() {
        let token = format!("ghp_{}", "a1B2".repeat(9));
        for (text, kind) in [
            (format!("-----BEGIN EC PRIVATE KEY-----\nMHc{KEY}x"), Kind::PrivateKey),
            (format!("\0key=0x{KEY}\0"), Kind::KeyLikeHex),
            (format!("{{\"key\":\"{KEY}\"}}"), Kind::KeyLikeHex),
            (token, Kind::Token),
            ("AKIAIOSFODNN7EXAMPLE".to_owned(), Kind::Token),
        ] {
            let found = found(text.as_bytes());
            assert!(found.iter().any(|(k, _)| *k == kind), "{text}: {found:?}");
            assert!(found.iter().all(|(_, shown)| !shown.contains(&KEY[..8])), "{found:?}");
        }
    }

    #[test]
    fn tables_and_digests_of_other_lengths_are_no_keys() {
        for text in [
            "0".repeat(64),
            "0123456789abcdef".repeat(8),
            KEY[..40].to_owned(),
            format!("{KEY}{KEY}"),
            "the quick brown fox".to_owned(),
        ] {
            assert_eq!(found(text.as_bytes()), [], "{text}");
        }
    }

    #[test]
    fn hosts_and_homes_are_shown_without_what_follows() {
        let text = b"\x01see https://a.example:8443/x?y and http://u:p@10.0.0.1\0\0/home/ann/src/lib.rs:10:1";
        let expected = [
            (Kind::Url, "http://…@10.0.0.1"),
            (Kind::Url, "https://a.example:8443"),
            (Kind::BuildPath, "/home/ann/src/lib.rs"),
        ];
        assert_eq!(found(text), expected.map(|(kind, shown)| (kind, shown.to_owned())));
    }

    #[test]
    fn a_million_hits_are_few() {
        let mut data = Vec::new();
        for i in 0..10_000 {
            data.extend_from_slice(format!("https://h{i}.example\0").as_bytes());
        }
        let mut hits = Vec::new();
        assert_eq!(scan(&data, "here", &mut hits), 10_000 - HITS_MAX as u64);
        assert_eq!(hits.len(), HITS_MAX);
    }
}
