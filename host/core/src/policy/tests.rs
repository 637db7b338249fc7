use super::*;
use crate::capability::{HostName, Method};

const EXAMPLE: &str = include_str!("../../../../policy.example.toml");

const POLICY: &str = r#"
[[grant]]
id = "treasury"
modules = ["payout"]
versions = "^1"
http = [{ hosts = ["api.example.com"], methods = ["GET", "POST"] }]
secrets = ["treasury-api"]

[[grant]]
modules = ["pay*"]
http = [
    { hosts = ["*.example.org"], methods = ["GET"], ports = [443, 8443], private_addresses = ["10.1.2.0/24"], plain_http = true },
]
limits = { fuel_max = 1000 }
"#;

fn asked() -> Capabilities {
    serde_json::from_str(
        r#"{"http": [
            {"hosts": ["api.example.com", "a.example.org", "other.example"], "methods": ["GET", "POST"], "ports": [443, 80]}
        ], "secrets": ["treasury-api", "another"]}"#,
    )
    .unwrap()
}

fn grant(version: &str) -> Grant {
    let policy = Policy::parse(POLICY).unwrap();
    let (name, version) = ("payout".parse().unwrap(), version.parse().unwrap());
    policy.grant(&name, &version, Digest([0; 32]), &asked())
}

fn host(text: &str) -> HostName {
    HostName::of_url(text).unwrap()
}

#[test]
fn the_example_is_a_policy_with_every_key() {
    let policy = Policy::parse(EXAMPLE).unwrap();
    assert!(policy.grants.is_empty(), "the example as it stands grants nothing");
    // What it shows in comments is a policy too.
    let shown: String = EXAMPLE
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .flat_map(|line| [line, "\n"])
        .collect();
    let policy = Policy::parse(&shown).unwrap();
    let [all, few] = &policy.grants[..] else { panic!("{policy:?}") };
    let rule = &all.http[0];
    assert!(!all.digests.is_empty() && all.versions.is_some() && !all.secrets.is_empty());
    assert!(!rule.private_addresses.is_empty() && rule.plain_http && rule.ports.len() > 1);
    assert_eq!(few.modules[0].to_string(), "*");
    let keys: toml::Table = shown.parse().unwrap();
    let limits = keys["grant"][1]["limits"].as_table().unwrap();
    let all = ManifestLimits::NAMES;
    assert!(all.iter().all(|name| limits.contains_key(*name)), "not every limit is shown");
}

#[test]
fn a_grant_is_what_is_asked_and_given() {
    let grant = grant("1.2.0");
    let permit = |tls, name: &str, port, method| {
        grant.permit(tls, &host(name), port, method).map(|p| p.secrets().len())
    };
    assert_eq!(permit(true, "api.example.com", 443, Method::Post), Ok(1));
    assert_eq!(permit(true, "a.example.org", 443, Method::Get), Ok(0), "the other grant's secret");
    // Asked and not given, given and not asked, and neither.
    for (name, port, method) in [
        ("other.example", 443, Method::Get),
        ("b.example.org", 443, Method::Get),
        ("a.example.org", 443, Method::Post),
        ("a.example.org", 8443, Method::Get),
        ("api.example.com", 80, Method::Get),
        ("api.example.com", 443, Method::Delete),
    ] {
        let denied = permit(true, name, port, method).unwrap_err();
        assert!(matches!(denied, Denied::Request { .. }), "{name} {port} {method:?}");
    }
    assert_eq!(permit(false, "a.example.org", 443, Method::Get), Ok(0));
    let plain = permit(false, "api.example.com", 443, Method::Get).unwrap_err();
    assert_eq!(plain, Denied::Plain(host("api.example.com")));
    assert_eq!(grant.limits.fuel_max, Some(1000));
    let by = &grant.secrets["treasury-api"];
    assert_eq!(by[0].to_string(), "`treasury` (line 2)");
}

#[test]
fn special_addresses_need_a_rule_of_the_same_request() {
    let grant = grant("1.0.0");
    let (org, com) = (host("a.example.org"), host("api.example.com"));
    let org = grant.permit(true, &org, 443, Method::Get).unwrap();
    let com = grant.permit(true, &com, 443, Method::Get).unwrap();
    assert_eq!(org.check_address("10.1.2.3".parse().unwrap()), Ok(()));
    assert!(com.check_address("10.1.2.3".parse().unwrap()).is_err());
    assert!(org.check_address("127.0.0.1".parse().unwrap()).is_err());
    assert_eq!(com.check_address("1.1.1.1".parse().unwrap()), Ok(()));
}

#[test]
fn versions_digests_and_the_empty_policy_grant_nothing_to_others() {
    let two = grant("2.0.0");
    assert!(two.secrets.is_empty());
    assert!(two.permit(true, &host("api.example.com"), 443, Method::Get).is_err());
    assert!(two.permit(true, &host("a.example.org"), 443, Method::Get).is_ok());

    let text = format!(
        "[[grant]]\nmodules = ['*']\ndigests = ['{}']\nhttp = [{{ hosts = ['a.example.org'], methods = ['GET'] }}]",
        Digest([7; 32])
    );
    let policy = Policy::parse(&text).unwrap();
    let (name, version) = ("x".parse().unwrap(), Version::new(1, 0, 0));
    let has = |digest| !policy.grant(&name, &version, Digest(digest), &asked()).http.is_empty();
    assert!(has([7; 32]) && !has([8; 32]));
    let none = Policy::default().grant(&name, &version, Digest([7; 32]), &asked());
    assert!(none.http.is_empty() && none.secrets.is_empty());
}

#[test]
fn what_is_not_granted_is_named() {
    let ungranted = grant("1.0.0").ungranted(&asked());
    assert_eq!(ungranted.len(), 1);
    assert_eq!(ungranted[0].pointer, "/capabilities/secrets/0");
    assert!(ungranted[0].detail.contains("`another`"));
    let all = Grant::default().ungranted(&asked());
    assert_eq!(all[0].pointer, "/capabilities/http/0");
    assert_eq!(all.len(), 3);
}

#[test]
fn a_policy_is_refused_with_its_place() {
    for (text, expected) in [
        ("[[grant]]\nmodules = []", "`grant 1` (line 1): `modules` names none"),
        ("[[grants]]\n", "line 1"),
        ("[[grant]]\nmodules = ['a b']", "line 2"),
        ("\n[[grant]]\nmodules = ['a']\nsecrets = ['s']", "(line 2): `secrets`"),
        (
            "[[grant]]\nid = 'x'\nmodules = ['a']\n[[grant]]\nid = 'x'\nmodules = ['b']",
            "(line 4): another grant",
        ),
        (
            "[[grant]]\nmodules = ['a']\nhttp = [{ hosts = ['*.com'], methods = ['GET'] }]",
            "too wide",
        ),
        ("[[grant]]\nmodules = ['a']\nhttp = [{ hosts = ['a.b'], methods = ['TRACE'] }]", "TRACE"),
        ("[[grant]]\nmodules = ['a']\nhttp = [{ hosts = [], methods = ['GET'] }]", "needs hosts"),
        ("[[grant]]\nmodules = ['a']\nlimits = { fuel = 1 }", "fuel"),
    ] {
        let error = Policy::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?} gave {error}");
    }
}
