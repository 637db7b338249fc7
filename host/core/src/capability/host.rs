//! Host names in their one spelling, and patterns of them.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::types::Malformed;

/// The longest name, in bytes (RFC 1035).
const NAME_BYTES_MAX: usize = 253;

/// The longest label of a name, in bytes.
const LABEL_BYTES_MAX: usize = 63;

/// A host as a request names it. It has one spelling: what resolvers and other
/// libraries would read as the same host in other words is refused, so that
/// nothing is checked as one host and reached as another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostName {
    /// A DNS name: lower case, no dot at the end.
    Name(String),
    /// An address. An IPv4-mapped IPv6 address is the IPv4 address.
    Address(IpAddr),
}

impl HostName {
    /// Reads a host as it stands in a URL: an IPv6 address in brackets.
    ///
    /// # Errors
    /// When it is none, or in a spelling that is not the one.
    pub fn of_url(text: &str) -> Result<Self, Malformed> {
        match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            Some(inner) => {
                let address: Ipv6Addr = inner.parse().map_err(|_| {
                    Malformed::new("host", text, "is not an IPv6 address in brackets")
                })?;
                Ok(Self::Address(IpAddr::V6(address).to_canonical()))
            }
            None if text.contains(':') => {
                Err(Malformed::new("host", text, "has a colon and no brackets around it"))
            }
            None => text.parse(),
        }
    }

    /// Whether it is below `suffix`, which starts with a dot.
    fn is_below(&self, suffix: &str) -> bool {
        match self {
            Self::Name(name) => name.len() > suffix.len() && name.ends_with(suffix),
            Self::Address(_) => false,
        }
    }
}

impl FromStr for HostName {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = |why| Malformed::new("host", text, why);
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        if !text.is_ascii() {
            return Err(malformed("is not ASCII; write it in its `xn--` form"));
        }
        let name = text.to_ascii_lowercase();
        let label = |label: &str| {
            (1..=LABEL_BYTES_MAX).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() > NAME_BYTES_MAX || !name.split('.').all(label) {
            return Err(malformed(
                "is no host name: labels of letters, digits and `-` with dots between them",
            ));
        }
        // As the WHATWG URL standard tells numbers from names: what ends in a number
        // is an IPv4 address in one of the spellings of inet_aton.
        let last = name.rsplit('.').next().unwrap_or_default();
        let digits = last.strip_prefix("0x");
        if last.bytes().all(|b| b.is_ascii_digit())
            || digits.is_some_and(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            return Err(malformed("is a number; write an IPv4 address as `192.0.2.1`"));
        }
        Ok(Self::Name(name))
    }
}

impl fmt::Display for HostName {
    /// As it stands in a URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl From<Ipv4Addr> for HostName {
    fn from(address: Ipv4Addr) -> Self {
        Self::Address(address.into())
    }
}

/// Hosts: one, or `*.` and a name for every name below it, however deep, but not
/// for the name itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostPattern {
    /// This host.
    One(HostName),
    /// Every name below; kept with its leading dot.
    Below(String),
}

impl HostPattern {
    /// Whether the host is one of these.
    #[must_use]
    pub fn admits(&self, host: &HostName) -> bool {
        match self {
            Self::One(one) => one == host,
            Self::Below(suffix) => host.is_below(suffix),
        }
    }

    /// Whether every host of the other pattern is one of this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.and(other).as_ref() == Some(other)
    }

    /// The hosts that are in both, which is one of the two patterns or nothing.
    #[must_use]
    pub fn and(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::One(host), pattern) | (pattern, Self::One(host)) => {
                pattern.admits(host).then(|| Self::One(host.clone()))
            }
            (Self::Below(one), Self::Below(two)) => {
                let (long, short) = if one.len() < two.len() { (two, one) } else { (one, two) };
                long.ends_with(short.as_str()).then(|| Self::Below(long.clone()))
            }
        }
    }
}

impl FromStr for HostPattern {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let Some(below) = text.strip_prefix("*.") else {
            return Ok(Self::One(text.parse()?));
        };
        match below.parse()? {
            HostName::Name(name) if name.contains('.') => Ok(Self::Below(format!(".{name}"))),
            _ => Err(Malformed::new(
                "host pattern",
                text,
                "is too wide: behind `*.` stands a name of two labels or more",
            )),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(host) => host.fmt(f),
            Self::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

impl Serialize for HostPattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // Patterns name addresses without brackets.
            Self::One(HostName::Address(address)) => serializer.collect_str(address),
            _ => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_spelling() {
        for (text, is) in [
            ("api.example.com", "api.example.com"),
            ("API.Example.COM", "api.example.com"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("localhost", "localhost"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("[::ffff:127.0.0.1]", "127.0.0.1"),
            ("[::ffff:7f00:1]", "127.0.0.1"),
            ("[::ffff:a83f:8110]", "168.63.129.16"),
            ("[FD20:00CE:0::0254]", "[fd20:ce::254]"),
            ("[fd00:c1::169.254.169.254]", "[fd00:c1::a9fe:a9fe]"),
        ] {
            assert_eq!(HostName::of_url(text).unwrap().to_string(), is, "{text}");
        }
    }

    #[test]
    fn other_spellings_are_no_hosts() {
        let table = [
            "",
            ".",
            "api.example.com.",
            "a..b",
            "-a.example",
            "a-.example",
            "2130706433",
            "127.1",
            "0177.0.0.1",
            "0x7f.0.0.1",
            "0x7f000001",
            "2822733072",
            "168.63.33040",
            "0xa83f8110",
            "168.077.129.16",
            "127.0.0.0x1",
            "127.0.0.01",
            "1.2.3.4.5",
            "127.0.0.1.",
            "256.1.1.1",
            "user@host",
            "host:80",
            "a%2eb",
            "%31.example",
            "bücher.example",
            "１２７.0.0.1",
            "127。0。0。1",
            "a b",
            "a\tb",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "[::1",
            "::1]",
            "::1",
            "[::1%25eth0]",
            "[127.0.0.1]",
            "[::g]",
            "foo.0x",
            "foo.09",
        ];
        for text in table {
            assert!(HostName::of_url(text).is_err(), "{text:?} is taken");
        }
        assert!(HostName::of_url(&"a".repeat(64)).is_err());
        assert!(HostName::of_url(&format!("{}a", "a.".repeat(127))).is_err());
    }

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_pattern_admits_what_is_below_it() {
        let host = |text: &str| HostName::of_url(text).unwrap();
        let below = pattern("*.example.org");
        assert!(below.admits(&host("a.example.org")) && below.admits(&host("b.a.example.org")));
        for other in ["example.org", "aexample.org", "a.example.org.evil.com", "192.0.2.1"] {
            assert!(!below.admits(&host(other)), "{other}");
        }
        for wide in ["*", "*.", "*.com", "*.0.2.1", "a.*.example.org", "*example.org"] {
            assert!(wide.parse::<HostPattern>().is_err(), "{wide}");
        }
        assert!(pattern("::1").admits(&host("[::1]")));
    }

    #[test]
    fn two_patterns_have_the_narrower_in_common() {
        for (a, b, both) in [
            ("a.example.org", "*.example.org", Some("a.example.org")),
            ("*.a.example.org", "*.example.org", Some("*.a.example.org")),
            ("*.example.org", "*.example.org", Some("*.example.org")),
            ("*.a.example.org", "*.b.example.org", None),
            ("*.aexample.org", "*.example.org", None),
            ("example.org", "*.example.org", None),
        ] {
            let both = both.map(pattern);
            assert_eq!(pattern(a).and(&pattern(b)), both, "{a} {b}");
            assert_eq!(pattern(b).and(&pattern(a)), both, "{b} {a}");
        }
    }
}
