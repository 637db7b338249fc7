//! Secrets go where they are granted, and come back from nowhere.

mod support;

use std::sync::Arc;

use support::{SECRET, Server, always, grant, ok, plain, post, way};
use surety_core::effect::{PLACEHOLDERS_MAX, UnsentKind};
use surety_egress::EgressConfig;

const PLACEHOLDER: &str = "{{secret:treasury-api}}";

/// What stands where the value stood.
const MARKER: &str = "[secret:treasury-api]";

#[tokio::test]
async fn a_placeholder_becomes_the_value_in_header_and_body() {
    let server = Server::start(always(ok("hi"))).await;
    let (way, grant) = (way(EgressConfig::default()), grant(&plain(server.port())));
    let authority = format!("a.example:{}", server.port());
    let body = format!("{{\"k\":\"{PLACEHOLDER}\",\"again\":\"{PLACEHOLDER}\"}}");
    let bearer = format!("Bearer {PLACEHOLDER}");
    way.send(&grant, post(&authority, &[("authorization", &bearer)], &body)).await.unwrap();
    let heard = server.heard().remove(0);
    assert!(heard.contains(&format!("authorization: Bearer {SECRET}\r\n")), "{heard}");
    assert_eq!(heard.matches(SECRET).count(), 3);
    assert!(!heard.contains("{{"));
}

#[tokio::test]
async fn a_secret_goes_nowhere_else() {
    let server = Server::start(always(ok("hi"))).await;
    let port = server.port();
    let way = way(EgressConfig::default());
    let authority = format!("a.example:{port}");
    let granted = grant(&plain(port));
    for placeholder in ["{{secret:other}}", "{{secret:unknown}}", "{{secret:}}", "{{secret:a b}}"] {
        let outcome = way.send(&granted, post(&authority, &[], placeholder)).await;
        assert_eq!(outcome.unwrap_err().kind, UnsentKind::Denied, "{placeholder}");
    }
    let unsent = way.send(&granted, post(&authority, &[], "{{secret:other}}")).await.unwrap_err();
    assert!(unsent.detail.contains("`other`") && !unsent.detail.contains("the other secret"));
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn a_request_has_so_many_placeholders_and_no_more() {
    let server = Server::start(always(ok("hi"))).await;
    let (way, grant) = (way(EgressConfig::default()), grant(&plain(server.port())));
    let authority = format!("a.example:{}", server.port());
    let headers = [("x-one", PLACEHOLDER), ("x-two", PLACEHOLDER)];
    let send = async |in_body: usize| {
        way.send(&grant, post(&authority, &headers, &PLACEHOLDER.repeat(in_body))).await
    };
    send(PLACEHOLDERS_MAX - 2).await.unwrap();
    assert_eq!(server.heard()[0].matches(SECRET).count(), PLACEHOLDERS_MAX);
    for in_body in [PLACEHOLDERS_MAX - 1, 20_000] {
        let unsent = send(in_body).await.unwrap_err();
        assert_eq!(unsent.kind, UnsentKind::Denied);
        assert_eq!(unsent.detail, "it has more than 16 placeholders");
    }
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test]
async fn an_echo_is_given_back_as_a_marker() {
    let echoes = [
        SECRET.to_owned(),
        serde_json::to_string(SECRET).unwrap(),
        "s3cr3t%2F%22value%22%2Bof%3Dtreasury".to_owned(),
        "s3cr3t%2f%22value%22%2bof%3dtreasury".to_owned(),
        "czNjcjN0LyJ2YWx1ZSIrb2Y9dHJlYXN1cnk".to_owned(),
    ];
    for echo in echoes {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nX-Echo: {echo}\r\nContent-Length: {}\r\n\r\n<{echo}|{echo}>",
            2 * echo.len() + 3
        );
        let server = Server::start(always(answer.into_bytes())).await;
        let (way, grant) = (way(EgressConfig::default()), grant(&plain(server.port())));
        let authority = format!("a.example:{}", server.port());
        let response = way.send(&grant, post(&authority, &[], PLACEHOLDER)).await.unwrap();
        let all = format!(
            "{:?} {}",
            response
                .headers
                .iter()
                .map(|(n, v)| format!("{n}: {}", String::from_utf8_lossy(v)))
                .collect::<Vec<_>>(),
            String::from_utf8_lossy(&response.body)
        );
        assert_eq!(all.matches(MARKER).count(), 3, "{echo}: {all}");
        assert!(!all.contains("s3cr3t") && !all.contains("czNjcjN0"), "{all}");
    }
}

#[tokio::test]
async fn a_redirect_takes_no_secret_along() {
    let elsewhere = Server::start(always(ok("hi"))).await;
    let to = format!("http://b.example:{}/", elsewhere.port());
    let server = Server::start(Arc::new(move |_: &str| {
        Some(format!("HTTP/1.1 307 X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes())
    }))
    .await;
    let (way, rules) = (way(EgressConfig::default()), [server.port(), elsewhere.port()].map(plain));
    let granted = grant(&rules.join(", "));
    let authority = format!("a.example:{}", server.port());
    let headers = [("authorization", PLACEHOLDER), ("x-key", PLACEHOLDER), ("x-more", "m")];
    way.send(&granted, post(&authority, &headers, "plain")).await.unwrap();
    let heard = elsewhere.heard().remove(0);
    assert!(heard.contains("x-more: m") && !heard.contains("x-key"), "{heard}");
    assert!(!heard.contains(SECRET) && !heard.contains("authorization"), "{heard}");

    // A body that holds one does not go to a host of another grant.
    let text = "[[grant]]\nmodules = ['test']\nsecrets = ['treasury-api']\nhttp = [RULE1]\n[[grant]]\nmodules = ['test']\nhttp = [RULE2]";
    let text = text.replace("RULE1", &rules[0]).replace("RULE2", &rules[1]);
    let two = support::granted(&text);
    let outcome = way.send(&two, post(&authority, &[], PLACEHOLDER)).await;
    assert_eq!(outcome.unwrap_err().kind, UnsentKind::Denied);
    assert_eq!(elsewhere.heard().len(), 1);
}

/// A service that was told a secret gives it back in the answer to a request that no
/// secret may go into.
#[tokio::test]
async fn an_echo_in_another_answer_is_taken_out_too() {
    let echo = format!("{SECRET}|{}", "the other secret");
    let server = Server::start(always(ok(&echo))).await;
    let port = server.port();
    let only = |method: &str| plain(port).replace("'GET', 'POST', 'HEAD'", &format!("'{method}'"));
    let grant = support::granted(&format!(
        "[[grant]]\nmodules = ['test']\nsecrets = ['treasury-api', 'other']\nhttp = [{}]\n\
         [[grant]]\nmodules = ['test']\nhttp = [{}]",
        only("POST"),
        only("GET")
    ));
    let (way, authority) = (way(EgressConfig::default()), format!("a.example:{port}"));
    way.send(&grant, post(&authority, &[], PLACEHOLDER)).await.unwrap();
    let response = way.get(&grant, &authority, "/").await.unwrap();
    let body = String::from_utf8(response.body).unwrap();
    assert_eq!(body, format!("{MARKER}|[secret:other]"));
}
