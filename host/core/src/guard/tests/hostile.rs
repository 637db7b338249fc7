//! Guards and data that were made to do harm.

use super::*;

/// A quarter of what the threads of the host have.
const SMALL_STACK_BYTES: usize = 512 << 10;

/// Runs on a stack that is smaller than any of the host's.
fn on_a_small_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(SMALL_STACK_BYTES);
        thread.spawn_scoped(scope, run).unwrap().join().unwrap()
    })
}

/// As often as it fits, and as often as the number of tokens lets through.
fn texts() -> Vec<String> {
    let open = [
        "(",
        "[",
        "{",
        "!",
        "-",
        "! ",
        "- ",
        "{'a':",
        "f(",
        "a.b(",
        "a[",
        "a?",
        "a?b:",
        "[a,",
        "(a+",
        "(!(-",
        "a==(",
        "a{b:",
        "ext.l.all(x,",
        "(a?[",
        "ext.l.map(x,[",
        "1in ",
        "a in ",
        "a.",
        "a.b",
        "a+",
        "a-",
        "a&&",
        "a||",
        "a==",
        "a.b().",
        "ext",
        ".",
        "..",
        ",",
        "'",
        "\"",
        "'''",
        "`",
        "\\",
        "//",
        "//\n",
        "\u{1}",
        "$",
        "é",
        "\u{202e}",
        "r'",
        "b'",
        "0x",
        "1e",
        " ",
    ];
    let pairs = [("(", "1", ")"), ("[", "1", "]"), ("{'a':", "1", "}"), ("size(", "ext", ")")];
    let chains = [
        ".b", "[0]", "['a']", ".b()", "+1", "-1", "&&true", "||true", "==1", "<1", " in [1]",
        "?1:2",
    ];
    let mut texts = Vec::new();
    for times in [8, 20, 24, 25, 60, 64, 120, 170, 255, 500, 2_000] {
        texts.extend(open.iter().map(|part| part.repeat(times)));
        texts.extend(open.iter().map(|part| format!("{}true", part.repeat(times))));
        texts.extend(chains.iter().map(|part| format!("ext{}", part.repeat(times))));
        texts.extend(
            pairs.iter().map(|(a, b, c)| format!("{}{b}{}", a.repeat(times), c.repeat(times))),
        );
    }
    texts
}

#[test]
fn no_text_overflows_the_stack() {
    let (mut compiled, mut refused) = (0, 0);
    on_a_small_stack(|| {
        for mut text in texts() {
            let end = (0..=GUARD_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at));
            text.truncate(end.unwrap());
            match Guard::compile(&text, Sees::Signal) {
                Ok(guard) => {
                    compiled += 1;
                    let nothing = json!({});
                    let scope =
                        Scope { message: &nothing, ext: &nothing, signal: None, now: Time::MAX };
                    let _answer = guard.holds(&scope);
                    let _findings = guard.check(&GuardTypes { message: &nothing, ext: &nothing });
                }
                Err(why) => {
                    refused += 1;
                    assert!(why.len() < 1_000 && !why.contains('\n'), "{text:.40}: {why}");
                }
            }
        }
    });
    assert!(compiled > 20 && refused > 500, "{compiled} compiled, {refused} refused");
}

#[test]
fn each_limit_is_named() {
    for (text, limit) in [
        ("1".repeat(GUARD_BYTES_MAX + 1), "guard_bytes_max"),
        ("a ".repeat(GUARD_TOKENS_MAX + 1), "guard_tokens_max"),
        (format!("{}1{}", "(".repeat(40), ")".repeat(40)), "guard_nesting_max"),
        (format!("ext{}", ".a".repeat(GUARD_DEPTH_MAX)), "guard_depth_max"),
    ] {
        let refused = Guard::compile(&text, Sees::State).unwrap_err();
        assert!(refused.contains(limit), "{refused}");
    }
    compile(&format!("ext{} == 1", ".a".repeat(GUARD_DEPTH_MAX - 2)), Sees::State);
    let depth = usize::from(GUARD_NESTING_MAX) - 1;
    compile(&format!("{}true{}", "(".repeat(depth), ")".repeat(depth)), Sees::State);
    compile(&vec!["ext.a == 'b'"; 50].join(" && "), Sees::State);
}

/// Words in every order: the parser answers, and nothing after it fails.
#[test]
fn no_mix_of_words_panics() {
    let words = [
        "ext", "message", "now", "x", "1", "2.5", "'a'", "true", "null", "dec", "has", "all",
        "map", "size", "(", ")", "[", "]", "{", "}", ".", ",", "?", ":", "+", "-", "*", "/", "%",
        "==", "!=", "<", ">=", "&&", "||", "!", " in ", " ", "\n", "\"", "'", "`", "\\x", "//",
        "1u", "b'a'", ".all(x,", "ext.a", "dec('1')", "$", "é",
    ];
    let mut seed = 1_u64;
    let mut pick = |n: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % n
    };
    let mut compiled = 0;
    for _ in 0..6_000 {
        let count = 1 + pick(12);
        let text: String = (0..count).map(|_| words[pick(words.len())]).collect();
        let Ok(guard) = Guard::compile(&text, Sees::State) else { continue };
        compiled += 1;
        let ext = json!({"a": [1, "x", {}]});
        let scope = Scope { message: &ext, ext: &ext, signal: None, now: Time::from_millis(NOW) };
        let _answer = guard.holds(&scope);
        let _findings = guard.check(&GuardTypes { message: &ext, ext: &json!(true) });
    }
    assert!(compiled > 100, "{compiled}");
}

/// 256 KiB of Msg_Ext in the shapes that cost most.
fn hostile_ext() -> Value {
    let long = "1".repeat(60_000);
    let keys = (0..40).map(|i| (format!("{}{i}", "k".repeat(800)), json!(1)));
    json!({
        "l": vec![1; 30_000], "e": vec!["a"; 10_000], "long": long, "other": format!("{long}b"),
        "m": keys.collect::<serde_json::Map<_, _>>(), "key": "k".repeat(800),
        "nested": (0..30).fold(json!(vec![1; 100]), |inner, _| json!([inner])),
    })
}

#[test]
fn no_data_makes_a_guard_cost_more_than_the_limit() {
    let ext = hostile_ext();
    assert!(serde_json::to_string(&ext).unwrap().len() < 256 << 10);
    let too_dear = "it costs more than `guard_cost_max`";
    for (text, cost) in [
        ("ext.l.all(x, x == 1)", Ok(true)),
        ("ext.l.all(x, ext.l.all(y, x == y))", Err(too_dear)),
        ("ext.l.all(x, ext.long != ext.other)", Err(too_dear)),
        (
            "ext.l.all(x, !ext.long.contains(ext.other) && !ext.other.contains('b' + ext.long))",
            Err(too_dear),
        ),
        ("ext.l.all(x, size(ext.long) > 1)", Err(too_dear)),
        ("ext.l.all(x, !(ext.key in ext.m))", Err(too_dear)),
        ("ext.l.all(x, ext.l == ext.l)", Err(too_dear)),
        ("ext.l.all(x, ext.nested == ext.nested)", Err(too_dear)),
        ("ext.l.all(x, !(2 in ext.l))", Err(too_dear)),
        ("ext.l.map(x, ext.l + ext.l) == []", Err(too_dear)),
        ("ext.l.map(x, ext.long + ext.long) == []", Err(too_dear)),
        ("ext.l.map(x, ext.l.map(y, [x, y])) == []", Err(too_dear)),
        ("ext.l.map(x, ext.m.map(k, k)) == []", Err(too_dear)),
        ("ext.l.exists(x, ext.l.exists(y, ext.nothing || y.z > dec(x)) || x == 2)", Err(too_dear)),
        ("ext.l.exists(x, ext.l.exists(y, y == 2)) || true", Err(too_dear)),
        ("ext.l.all(x, dec(ext.long) > 1)", Err("is longer than a number of 256 bits")),
        ("ext.l.all(x, dec(ext.other) > 1)", Err("is longer than a number of 256 bits")),
        ("ext.l.all(x, time(ext.long) > 1)", Err("is not an RFC 3339 date-time")),
        (&doubling("ext.long"), Err(too_dear)),
        (&doubling("ext.l"), Err(too_dear)),
    ] {
        let answer = on_a_small_stack(|| holds(text, &ext));
        match (cost, answer) {
            (Ok(expected), answer) => assert_eq!(answer, Ok(expected), "{text}"),
            (Err(why), Err(failure)) => assert!(failure.contains(why), "{text}: {failure}"),
            (Err(_), Ok(_)) => panic!("{text} was evaluated to its end"),
        }
    }
}

/// A value of 2^14 times its size, by naming each doubling.
fn doubling(of: &str) -> String {
    let open =
        (0..14).fold(of.to_owned(), |inner, i| format!("[{inner}].map(v{i}, v{i} + v{i})[0]"));
    format!("size({open}) > 0")
}

#[test]
fn what_is_undecided_for_its_cost_is_decided_by_no_other_side() {
    let ext = hostile_ext();
    for text in
        ["true || ext.l.all(x, ext.l.all(y, true))", "false && ext.l.all(x, ext.l.all(y, true))"]
    {
        assert_eq!(holds(text, &ext), Ok(text.starts_with("true")), "{text}");
    }
    for text in
        ["ext.l.all(x, ext.l.all(y, true)) || true", "ext.l.all(x, ext.l.all(y, true)) && false"]
    {
        assert!(holds(text, &ext).unwrap_err().contains("guard_cost_max"), "{text}");
    }
}
