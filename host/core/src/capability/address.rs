//! Addresses that no request reaches unless a policy names them.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::types::Malformed;

/// A range of addresses, such as `10.1.2.0/24`; a single one needs no prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressRange(IpNet);

impl AddressRange {
    /// Whether the policy that names this range lets requests reach the address.
    /// Where clouds hand out credentials only its own name does: nobody grants
    /// that with a wide range by mistake.
    #[must_use]
    pub fn grants(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.contains(&address)
            && (!is_metadata(address) || self.0.prefix_len() == self.0.max_prefix_len())
    }
}

impl AddressRange {
    /// Whether whatever the other range lets requests reach, this one does.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let alone = other.0.prefix_len() == other.0.max_prefix_len();
        self == other || (self.0.contains(&other.0) && !(alone && is_metadata(other.0.addr())))
    }
}

impl FromStr for AddressRange {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = |why| Malformed::new("address range", text, why);
        let net = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => text.parse().map_err(|_| malformed("is not such as `10.1.2.0/24`"))?,
        };
        if net.trunc() != net {
            return Err(malformed("has bits set behind its prefix"));
        }
        Ok(Self(net))
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for AddressRange {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AddressRange {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Where the clouds' instance metadata and credentials are asked for, by the clouds'
/// own manuals. Azure's second one is a public address by its number alone.
const METADATA: [IpAddr; 10] = [
    // Most clouds; containers and pods on AWS; Azure's WireServer; Alibaba; Oracle.
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    // AWS and its pods; Google; Oracle.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
];

fn is_metadata(address: IpAddr) -> bool {
    METADATA.contains(&address)
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// The IANA special-purpose registry for IPv4, and what is no host at all.
const DENIED_V4: [(Ipv4Net, &str); 16] = [
    (v4(0, 0, 0, 0, 8), "unspecified"),
    (v4(10, 0, 0, 0, 8), "private"),
    (v4(100, 64, 0, 0, 10), "shared by a carrier"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    (v4(169, 254, 0, 0, 16), "link-local"),
    (v4(172, 16, 0, 0, 12), "private"),
    (v4(192, 0, 0, 0, 24), "reserved for protocols"),
    (v4(192, 0, 2, 0, 24), "for documentation"),
    (v4(192, 88, 99, 0, 24), "a 6to4 relay"),
    (v4(192, 168, 0, 0, 16), "private"),
    (v4(198, 18, 0, 0, 15), "for benchmarks"),
    (v4(198, 51, 100, 0, 24), "for documentation"),
    (v4(203, 0, 113, 0, 24), "for documentation"),
    (v4(224, 0, 0, 0, 4), "multicast"),
    (v4(255, 255, 255, 255, 32), "broadcast"),
    (v4(240, 0, 0, 0, 4), "reserved"),
];

/// Global unicast, outside of which no IPv6 address is a public host.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// The same for IPv6. Forms that carry an IPv4 address inside are denied whole:
/// whatever translates them would reach what the IPv4 table keeps away.
const DENIED_V6: [(Ipv6Net, &str); 11] = [
    (v6(0x64, 0xff9b, 0, 96), "an IPv4 address behind NAT64"),
    (v6(0x64, 0xff9b, 1, 48), "an IPv4 address behind NAT64"),
    (v6(0x100, 0, 0, 64), "discarded"),
    (v6(0xfc00, 0, 0, 7), "private"),
    (v6(0xfe80, 0, 0, 10), "link-local"),
    (v6(0xff00, 0, 0, 8), "multicast"),
    (v6(0x2001, 0, 0, 32), "an IPv4 address behind Teredo"),
    (v6(0x2001, 0, 0, 23), "reserved for protocols"),
    (v6(0x2001, 0xdb8, 0, 32), "for documentation"),
    (v6(0x2002, 0, 0, 16), "an IPv4 address behind 6to4"),
    (v6(0x3fff, 0, 0, 20), "for documentation"),
];

/// Why no request may reach the address by itself; none of a public one.
#[must_use]
pub fn denied_as(address: IpAddr) -> Option<&'static str> {
    let address = address.to_canonical();
    if is_metadata(address) {
        return Some("where the cloud gives credentials");
    }
    match address {
        IpAddr::V4(address) => {
            DENIED_V4.iter().find(|(net, _)| net.contains(&address)).map(|(_, why)| *why)
        }
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Some("unspecified"),
        IpAddr::V6(Ipv6Addr::LOCALHOST) => Some("loopback"),
        IpAddr::V6(address) => {
            let found = DENIED_V6.iter().find(|(net, _)| net.contains(&address));
            let outside = (!GLOBAL_V6.contains(&address)).then_some("not a public address");
            found.map(|(_, why)| *why).or(outside)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_denied_in_every_form() {
        for (address, why) in [
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "unspecified"),
            ("10.255.0.1", "private"),
            ("100.64.0.1", "shared by a carrier"),
            ("100.127.255.255", "shared by a carrier"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("169.254.0.1", "link-local"),
            ("169.254.169.254", "where the cloud gives credentials"),
            ("169.254.170.2", "where the cloud gives credentials"),
            ("169.254.170.23", "where the cloud gives credentials"),
            ("100.100.100.200", "where the cloud gives credentials"),
            ("168.63.129.16", "where the cloud gives credentials"),
            ("192.0.0.192", "where the cloud gives credentials"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.0.0.8", "reserved for protocols"),
            ("192.0.2.1", "for documentation"),
            ("192.168.1.1", "private"),
            ("198.19.0.1", "for benchmarks"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.255", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:a9fe:a9fe", "where the cloud gives credentials"),
            ("::ffff:169.254.170.23", "where the cloud gives credentials"),
            ("::ffff:168.63.129.16", "where the cloud gives credentials"),
            ("::FFFF:A83F:8110", "where the cloud gives credentials"),
            ("0:0:0:0:0:ffff:c000:c0", "where the cloud gives credentials"),
            ("::127.0.0.1", "not a public address"),
            ("::168.63.129.16", "not a public address"),
            ("::7f00:1", "not a public address"),
            ("::ffff:0:127.0.0.1", "not a public address"),
            ("64:ff9b::7f00:1", "an IPv4 address behind NAT64"),
            ("64:ff9b::168.63.129.16", "an IPv4 address behind NAT64"),
            ("64:ff9b:1::a00:1", "an IPv4 address behind NAT64"),
            ("2002:7f00:1::", "an IPv4 address behind 6to4"),
            ("2002:a83f:8110::1", "an IPv4 address behind 6to4"),
            ("2001:0:7f00:1::", "an IPv4 address behind Teredo"),
            ("2001:20::1", "reserved for protocols"),
            ("2001:db8::1", "for documentation"),
            ("3fff::1", "for documentation"),
            ("fc00::1", "private"),
            ("fd12:3456::1", "private"),
            ("fd00:ec2::254", "where the cloud gives credentials"),
            ("fd00:ec2::23", "where the cloud gives credentials"),
            ("FD00:0EC2:0:0:0:0:0:0023", "where the cloud gives credentials"),
            ("fd00:ec2::0.0.0.35", "where the cloud gives credentials"),
            ("fd20:ce::254", "where the cloud gives credentials"),
            ("fd20:00ce:0000::0254", "where the cloud gives credentials"),
            ("fd00:c1::a9fe:a9fe", "where the cloud gives credentials"),
            ("fd00:c1::169.254.169.254", "where the cloud gives credentials"),
            ("fd00:ec2::255", "private"),
            ("fe80::1", "link-local"),
            ("fec0::1", "not a public address"),
            ("ff02::1", "multicast"),
            ("100::1", "discarded"),
            ("4000::1", "not a public address"),
        ] {
            assert_eq!(denied_as(address.parse().unwrap()), Some(why), "{address}");
        }
        for public in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "168.63.129.15",
            "168.63.129.17",
            "192.0.1.1",
            "2606:4700::1111",
        ] {
            assert_eq!(denied_as(public.parse().unwrap()), None, "{public}");
        }
    }

    #[test]
    fn a_range_grants_what_it_names() {
        let range = |text: &str| text.parse::<AddressRange>().unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(range("10.1.2.0/24").grants(address("10.1.2.3")));
        assert!(range("10.1.2.0/24").grants(address("::ffff:10.1.2.3")));
        assert!(!range("10.1.2.0/24").grants(address("10.1.3.3")));
        assert!(range("127.0.0.1").grants(address("127.0.0.1")));
        for metadata in METADATA {
            // Its own name, in any of its forms, and nothing wider.
            assert!(range(&metadata.to_string()).grants(metadata));
            let longest = if metadata.is_ipv4() { 32 } else { 128 };
            for prefix in 0..longest {
                let wide = AddressRange(IpNet::new(metadata, prefix).unwrap().trunc());
                assert!(!wide.grants(metadata) && !wide.covers(&range(&metadata.to_string())));
            }
        }
        assert!(range("168.63.129.16/32").grants(address("::ffff:a83f:8110")));
        assert!(range("::ffff:168.63.129.16").grants(address("168.63.129.16")));
        assert!(range("168.63.129.0/24").grants(address("168.63.129.17")));
        for bad in ["10.1.2.3/24", "10.1.2.0/33", "10.1", "example.com", "", "::1/129"] {
            assert!(bad.parse::<AddressRange>().is_err(), "{bad}");
        }
    }
}
