use super::*;
use crate::capability::{HostName, Method};
use crate::refusal::Code;
use crate::types::Address;

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
    assert!(!policy.publish.is_empty() && !policy.review.is_empty() && !policy.revoked.is_empty());
    let keys: toml::Table = shown.parse().unwrap();
    let limits = keys["grant"][1]["limits"].as_table().unwrap();
    let all = ManifestLimits::LEAST;
    assert!(all.iter().all(|(name, _)| limits.contains_key(*name)), "not every limit is shown");
}

#[test]
fn a_policy_lowers_limits_as_far_as_a_manifest() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../../schemas/manifest.schema.json")).unwrap();
    let limits = schema["properties"]["limits"]["properties"].as_object().unwrap();
    let in_schema =
        limits.iter().map(|(name, of)| (name.as_str(), of["minimum"].as_u64().unwrap()));
    let ours: std::collections::BTreeMap<_, _> = ManifestLimits::LEAST.iter().copied().collect();
    assert_eq!(ours, in_schema.collect());
}

#[test]
fn a_grant_is_what_is_asked_and_given() {
    let grant = grant("1.2.0");
    let permit = |tls, name: &str, port, method| {
        grant.permit(tls, &host(name), port, method).map(|p| p.admits_secret("treasury-api"))
    };
    assert_eq!(permit(true, "api.example.com", 443, Method::Post), Ok(true));
    let other = permit(true, "a.example.org", 443, Method::Get);
    assert_eq!(other, Ok(false), "the other grant's secret");
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
    assert_eq!(permit(false, "a.example.org", 443, Method::Get), Ok(false));
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
        (
            "[[grant]]\nmodules = ['a']\nlimits = { module_calls_per_second_max = 0 }",
            "(line 1): the limit `module_calls_per_second_max` must be 1 at least",
        ),
        ("[[grant]]\nmodules = ['a']\nlimits = { memory_bytes_max = 1 }", "be 65536 at least"),
        ("revoked = ['0x12']", "digest"),
        (&publish("['a']", &[1], 0), "`publish 1` (line 1): `needed` is 0"),
        (&publish("['a']", &[1], 2), "`needed` is more than"),
        (&publish("['a']", &[1, 1], 1), "somebody is named twice"),
        (&publish("[]", &[1], 1), "`modules` names none"),
        (&publish("['a']", &[1], 1).replace("signers", "reviewers"), "reviewers"),
    ] {
        let error = Policy::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?} gave {error}");
    }
}

fn person(n: u8) -> Address {
    Address([n; 20])
}

fn publish(modules: &str, signers: &[u8], needed: usize) -> String {
    let signers: Vec<_> = signers.iter().map(|n| person(*n).to_string()).collect();
    format!("[[publish]]\nmodules = {modules}\nsigners = {signers:?}\nneeded = {needed}\n")
}

#[test]
fn every_line_for_a_name_needs_its_number_of_people() {
    let text = publish("['*']", &[1, 2, 3], 1) + &publish("['pay*']", &[3, 4, 5], 2);
    let policy = Policy::parse(&text).unwrap();
    let may = |name: &str, signers: &[u8]| {
        let signers = signers.iter().map(|n| person(*n)).collect();
        policy.check_publishers(&name.parse().unwrap(), &signers, false).is_ok()
    };
    for (name, signers, expected) in [
        ("screen", &[1][..], true),
        ("screen", &[], false),
        ("screen", &[4], false),
        ("payout", &[1], false),
        ("payout", &[1, 4], false),
        ("payout", &[4, 5], false),
        ("payout", &[1, 4, 5], true),
        // One who is named in both counts in both.
        ("payout", &[3, 4], true),
    ] {
        assert_eq!(may(name, signers), expected, "{name} by {signers:?}");
    }
    let none = [].into();
    let lacking = policy.check_publishers(&"payout".parse().unwrap(), &none, true).unwrap_err();
    assert_eq!(lacking.code, Code::ModuleUnsigned);
    for line in ["`publish 1` (line 1)", "`publish 2` (line 5)"] {
        assert!(lacking.detail.contains(line), "{lacking}");
    }
    // A name that no line is for: nobody, but in development anybody.
    let (nobody, name) = (Policy::default(), "screen".parse().unwrap());
    assert_eq!(
        nobody.check_publishers(&name, &none, false).unwrap_err().code,
        Code::ModuleUnsigned
    );
    assert_eq!(nobody.check_publishers(&name, &none, true), Ok(()));
}

/// What `a` is granted of what it asks for.
fn granted(policy: &str, asked: &str) -> Grant {
    let policy = Policy::parse(policy).unwrap();
    let asked: Capabilities = serde_json::from_str(asked).unwrap();
    policy.grant(&"a".parse().unwrap(), &Version::new(1, 0, 0), Digest([0; 32]), &asked)
}

fn powers(rule: &str) -> Powers {
    let policy = "[[grant]]\nmodules = ['a']\nsecrets = ['s', 't']\nhttp = [{ hosts = ['*.example.com', 'b.example.org'], methods = ['GET', 'POST'], ports = [443, 8443], private_addresses = ['10.0.0.0/8'] }]";
    Powers::of(&granted(policy, rule)).unwrap()
}

#[test]
fn what_is_new_is_what_nothing_old_covers() {
    let old =
        powers(r#"{"http": [{"hosts": ["*.example.com"], "methods": ["GET"]}], "secrets": ["s"]}"#);
    assert_eq!(
        old.lines(),
        [
            "GET *.example.com port 443",
            "GET *.example.com port 443 with the secret s",
            "GET *.example.com port 443 at the address 10.0.0.0/8",
        ]
    );
    let less = powers(r#"{"http": [{"hosts": ["a.example.com"], "methods": ["GET"]}]}"#);
    assert_eq!(less.beyond(&old), [""; 0], "a name under the pattern is nothing new");
    assert_eq!(old.beyond(&less).len(), 3);
    let more = powers(
        r#"{"http": [{"hosts": ["a.example.com"], "methods": ["GET", "POST"]}], "secrets": ["t"]}"#,
    );
    let new = more.beyond(&old);
    for power in ["POST a.example.com port 443", "GET a.example.com port 443 with the secret t"] {
        assert!(new.iter().any(|line| line == power), "{new:?}");
    }
    assert!(!new.iter().any(|line| line == "GET a.example.com port 443"), "{new:?}");
    let port =
        powers(r#"{"http": [{"hosts": ["*.example.com"], "methods": ["GET"], "ports": [8443]}]}"#);
    assert_eq!(port.beyond(&old)[0], "GET *.example.com port 8443");
    assert_ne!(old.digest(), less.digest());
    assert_eq!(powers("{}").digest(), Digest::of(b""));
}

/// One grant for each of these rules of a host, with the secret `s` where it is said.
fn rules(each: &[(&str, bool)]) -> Grant {
    let grant = |(keys, secret): &(&str, bool)| {
        let secrets = if *secret { "secrets = ['s']" } else { "" };
        format!(
            "[[grant]]\nmodules = ['a']\n{secrets}\nhttp = [{{ hosts = ['a.example.com'], methods = ['GET']{keys} }}]\n"
        )
    };
    let policy: String = each.iter().map(grant).collect();
    granted(
        &policy,
        r#"{"http": [{"hosts": ["a.example.com"], "methods": ["GET"]}], "secrets": ["s"]}"#,
    )
}

#[test]
fn a_secret_without_tls_is_another_power_than_a_secret_and_no_tls() {
    const PLAIN: &str = ", plain_http = true";
    const PRIVATE: &str = ", private_addresses = ['10.0.0.0/8']";
    let both = format!("{PLAIN}{PRIVATE}");
    let host = host("a.example.com");
    // What the rules let a request have is what their lines say.
    let may = |grant: &Grant, tls: bool| {
        grant.permit(tls, &host, 443, Method::Get).ok().map(|permit| {
            let private = permit.check_address("10.1.2.3".parse().unwrap()).is_ok();
            (permit.admits_secret("s"), private)
        })
    };
    let apart = rules(&[("", true), (PLAIN, false)]);
    let at_once = rules(&[(PLAIN, true)]);
    assert_eq!(
        (may(&apart, true), may(&apart, false)),
        (Some((true, false)), Some((false, false)))
    );
    assert_eq!(may(&at_once, false), Some((true, false)));
    let (old, new) = (Powers::of(&apart).unwrap(), Powers::of(&at_once).unwrap());
    assert_ne!(old.digest(), new.digest());
    assert_eq!(new.beyond(&old), ["GET a.example.com port 443 with the secret s without TLS"]);
    assert_eq!(old.beyond(&new), [""; 0]);

    let apart = Powers::of(&rules(&[(PRIVATE, true), (PLAIN, false)])).unwrap();
    let at_once = Powers::of(&rules(&[(&both, true)])).unwrap();
    assert_eq!(
        at_once.beyond(&apart),
        [
            "GET a.example.com port 443 with the secret s without TLS",
            "GET a.example.com port 443 at the address 10.0.0.0/8 without TLS",
        ]
    );
    assert_eq!(
        at_once.lines(),
        [
            "GET a.example.com port 443",
            "GET a.example.com port 443 with the secret s",
            "GET a.example.com port 443 at the address 10.0.0.0/8",
            "GET a.example.com port 443 without TLS",
            "GET a.example.com port 443 with the secret s without TLS",
            "GET a.example.com port 443 at the address 10.0.0.0/8 without TLS",
        ]
    );

    // Secret and address add up over rules, so these may do the same.
    let (apart, at_once) = (rules(&[("", true), (PRIVATE, false)]), rules(&[(PRIVATE, true)]));
    assert_eq!(may(&apart, true), Some((true, true)));
    assert_eq!(may(&apart, true), may(&at_once, true));
    assert_eq!(Powers::of(&apart).unwrap(), Powers::of(&at_once).unwrap());
    let (apart, at_once) = (rules(&[(PLAIN, true), (&both, false)]), rules(&[(&both, true)]));
    assert_eq!(may(&apart, false), may(&at_once, false));
    assert_eq!(Powers::of(&apart).unwrap(), Powers::of(&at_once).unwrap());
}

#[test]
fn what_is_new_needs_its_reviewers() {
    let text = publish("['a*']", &[1, 2], 2).replace("publish", "review");
    let policy = Policy::parse(&text.replace("signers", "reviewers")).unwrap();
    let check = |name: &str, new: &[String], reviewers: &[u8]| {
        let reviewers = reviewers.iter().map(|n| person(*n)).collect();
        policy.check_reviewers(&name.parse().unwrap(), new, Digest::of(b""), &reviewers)
    };
    let new = ["GET a.example port 443".to_owned()];
    assert!(check("a", &[], &[]).is_ok(), "nothing new");
    assert!(check("b", &new, &[]).is_ok(), "no line for it");
    assert!(check("a", &new, &[1, 2]).is_ok());
    let refused = check("a", &new, &[1]).unwrap_err();
    assert_eq!(refused.code, Code::ReviewNeeded);
    assert_eq!(refused.errors[0].detail, "may GET a.example port 443");
    assert!(policy.wants_review(&"ab".parse().unwrap()));
    assert!(!policy.wants_review(&"b".parse().unwrap()));
}
