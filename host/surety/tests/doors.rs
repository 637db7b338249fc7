//! Who gets in, and what who does not is told. The host runs in this process.

use std::ffi::OsString;
use std::time::Duration;

use serde_json::{Value, json};
use surety::compile::SUBCOMMAND;
use surety::config::{Backend, Config};
use surety::serve::start;
use surety::tokens::{Role, TokenEntry, generate, hash};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use ureq::http::{Request, Response};

/// A host with a token of each role.
struct Host {
    agent: ureq::Agent,
    url: String,
    tokens: Vec<(Role, String)>,
}

/// The binary of this crate; the tests' own cannot compile.
fn compiler() -> Vec<OsString> {
    vec![env!("CARGO_BIN_EXE_surety").into(), SUBCOMMAND.into()]
}

impl Host {
    fn ask(&self, method: &str, path: &str, token: Option<&str>, body: &[u8]) -> Response<Value> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = match body {
            [] => self.agent.run(request.body(()).unwrap()),
            body => self.agent.run(request.body(body).unwrap()),
        };
        let (parts, mut body) = response.unwrap().into_parts();
        Response::from_parts(parts, serde_json::from_slice(&body.read_to_vec().unwrap()).unwrap())
    }

    fn token(&self, role: Role) -> &str {
        &self.tokens.iter().find(|(r, _)| *r == role).unwrap().1
    }
}

/// Runs `test` against a host, and stops it as SIGTERM would.
fn with_host(test: impl FnOnce(&Host)) {
    with_host_of(false, test);
}

/// The same, in development or not.
fn with_host_of(development: bool, test: impl FnOnce(&Host)) {
    let data = TempDir::new().unwrap();
    let tokens: Vec<_> = Role::ALL.into_iter().map(|role| (role, generate())).collect();
    let mut config = Config { data: data.path().to_owned(), ..Config::default() };
    config.store.backend = Backend::Memory;
    config.policy.development = development;
    config.tokens = tokens
        .iter()
        .map(|(role, token)| TokenEntry {
            name: role.as_str().to_owned(),
            role: *role,
            hash: hash(token),
        })
        .collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let started = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        start(config, compiler(), listener, async { drop(stopped.await) }).await.unwrap()
    });
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        // A host that answers before it has read the body may close the connection.
        .max_idle_connections(0)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .new_agent();
    test(&Host { agent, url: format!("http://{}", started.about.listen), tokens });
    drop(stop);
    runtime.block_on(started.finished()).unwrap();
}

/// Every operation, as the document that the host serves lists them.
fn operations(host: &Host) -> Vec<(String, String, bool)> {
    let document = host.ask("GET", "/openapi.json", None, b"").into_body();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = "00000000-0000-7000-8000-000000000000";
            let digest = format!("0x{}", "0".repeat(64));
            let path = path.replace("{digest}", &digest).replace("{id}", id);
            let path = path.replace("{type}", "t").replace("{name}", "m").replace("{version}", "1");
            operations.push((method.to_uppercase(), path, operation["security"].is_array()));
        }
    }
    operations
}

#[test]
fn what_is_documented_to_need_a_token_needs_one() {
    with_host(|host| {
        let operations = operations(host);
        assert!(operations.len() > 15, "{operations:?}");
        for (method, path, secured) in operations {
            for token in [None, Some("unknown")] {
                let answer =
                    host.ask(&method, &path, token, if method == "GET" { b"" } else { b"{}" });
                let unauthorized = answer.status() == 401;
                assert_eq!(unauthorized, secured, "{method} {path}: {:?}", answer.body());
            }
        }
    });
}

#[test]
fn each_role_gets_as_far_as_it_may() {
    let bundle = "/v1/messages/00000000-0000-7000-8000-000000000000/bundle";
    let revoke = &format!("/v1/modules/0x{}/revoke", "0".repeat(64));
    let audit = &format!("/v1/modules/0x{}/audit", "0".repeat(64));
    with_host(|host| {
        for (method, path, allowed) in [
            ("GET", "/v1/messages", &Role::ALL[..]),
            ("GET", "/v1/clients", &Role::ALL),
            ("GET", bundle, &[Role::Auditor, Role::Operator]),
            ("GET", audit, &[Role::Auditor, Role::Operator]),
            ("GET", "/v1/workflows/t/1/touches", &[Role::Auditor, Role::Operator]),
            ("GET", "/v1/workflows/t/1", &Role::ALL),
            ("PUT", "/v1/modules", &[Role::Deployer, Role::Operator]),
            ("PUT", "/v1/workflows", &[Role::Deployer, Role::Operator]),
            ("PUT", "/v1/clients/acme", &[Role::Operator]),
            ("GET", "/v1/revocations", &Role::ALL),
            ("POST", "/v1/deployments/m/rollback", &[Role::Deployer, Role::Operator]),
            ("POST", "/v1/deployments/m/canary", &[Role::Deployer, Role::Operator]),
            ("POST", revoke, &[Role::Operator]),
        ] {
            for role in Role::ALL {
                let body: &[u8] = if method == "GET" { b"" } else { b"[]" };
                let answer = host.ask(method, path, Some(host.token(role)), body);
                let allowed = allowed.contains(&role);
                assert_eq!(answer.status() != 403, allowed, "{role:?} {method} {path}");
                assert!(allowed || answer.body()["code"] == "forbidden");
            }
        }
    });
}

#[test]
fn every_refusal_is_a_problem_document() {
    let long = vec![b' '; 1 << 20];
    let audit = &format!("/v1/modules/0x{}/audit", "0".repeat(64));
    with_host(|host| {
        let token = Some(host.token(Role::Operator));
        for (method, path, body, status, code) in [
            ("GET", "/nowhere", &b""[..], 404, "not_found"),
            ("POST", "/healthz", b"x", 405, "method_not_allowed"),
            ("POST", "/v1/messages", b"{", 400, "json_syntax"),
            ("POST", "/v1/messages", &long, 413, "message_too_large"),
            (
                "POST",
                "/v1/msg-ids",
                br#"{"client_id":"a","client_id":"b"}"#,
                400,
                "json_duplicate_key",
            ),
            ("POST", "/v1/msg-ids", br#"{"client_id":"nobody"}"#, 422, "client_unknown"),
            ("POST", "/v1/msg-ids", br#"{"client_id":"a","size":1}"#, 400, "request_invalid"),
            ("GET", "/v1/messages/1", b"", 400, "request_invalid"),
            ("GET", "/v1/messages?limit=0", b"", 400, "request_invalid"),
            ("GET", "/v1/messages?client=a", b"", 400, "request_invalid"),
            ("GET", "/v1/messages/00000000-0000-7000-8000-000000000000", b"", 404, "not_found"),
            ("GET", "/v1/workflows/t/1", b"", 404, "not_found"),
            ("GET", "/v1/workflows/t/1/touches", b"", 404, "not_found"),
            ("GET", audit, b"", 404, "not_found"),
            ("GET", "/v1/modules/0x00/audit", b"", 400, "request_invalid"),
            ("GET", "/v1/workflows/t/1/graph", b"", 404, "not_found"),
            ("GET", "/v1/workflows/t/one/graph", b"", 400, "request_invalid"),
            ("GET", "/v1/workflows/t/1/graph?format=png", b"", 400, "request_invalid"),
            ("PUT", "/v1/modules", br#"{"component":"AA=="}"#, 422, "module_invalid"),
            ("PUT", "/v1/workflows", b"{}", 422, "workflow_invalid"),
        ] {
            let answer = host.ask(method, path, token, body);
            assert_eq!(answer.status(), status, "{method} {path}: {:?}", answer.body());
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            let problem = answer.body();
            assert_eq!((&problem["code"], &problem["status"]), (&json!(code), &json!(status)));
            assert_eq!(problem["type"], format!("urn:surety:problem:{code}"));
            assert!(problem["detail"].is_string() && problem["errors"].is_array());
        }
    });
}

#[test]
fn a_workflow_whose_modules_are_not_here_is_refused_with_its_places() {
    let workflow = json!({
        "msg_type": "t", "version": 1, "schema": {}, "initial": "a",
        "states": {
            "a": {"invoke": "missing@^1", "targets": ["b"], "on_failure": "c"},
            "b": {"final": true}, "c": {"parked": true},
        },
    });
    with_host(|host| {
        let token = Some(host.token(Role::Deployer));
        let answer = host.ask("PUT", "/v1/workflows", token, workflow.to_string().as_bytes());
        assert_eq!(answer.status(), 422);
        assert_eq!(answer.body()["code"], "module_unknown");
        assert_eq!(answer.body()["errors"][0]["pointer"], "/states/a/invoke");
        let listed = host.ask("GET", "/v1/workflows", token, b"").into_body();
        assert_eq!(listed, json!({"workflows": []}));
    });
}

#[test]
fn a_deployed_workflow_is_drawn_and_its_words_are_harmless() {
    let markup = "</svg><script>alert(1)</script>";
    let workflow = json!({
        "msg_type": "t", "version": 3, "schema": {}, "initial": "a", "description": markup,
        "states": {"a": {"after": [{"delay": "1h", "target": "b"}]}, "b": {"final": true}},
    });
    with_host(|host| {
        let deployer = Some(host.token(Role::Deployer));
        let answer = host.ask("PUT", "/v1/workflows", deployer, workflow.to_string().as_bytes());
        assert_eq!(answer.status(), 200, "{:?}", answer.body());
        for (query, media_type, begins) in [
            ("", "image/svg+xml", "<svg "),
            ("?format=svg", "image/svg+xml", "<svg "),
            ("?format=mermaid", "text/vnd.mermaid; charset=utf-8", "flowchart "),
        ] {
            let reader = host.token(Role::Reader);
            let request = Request::builder()
                .uri(format!("{}/v1/workflows/t/3/graph{query}", host.url))
                .header("authorization", format!("Bearer {reader}"));
            let mut answer = host.agent.run(request.body(()).unwrap()).unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["content-type"], media_type);
            let policy = answer.headers()["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'"), "{policy}");
            let picture = answer.body_mut().read_to_string().unwrap();
            assert!(picture.starts_with(begins) && !picture.contains("<script"), "{picture}");
        }
    });
}

#[test]
fn nobody_but_loopback_without_tokens() {
    let data = TempDir::new().unwrap();
    let config = Config { data: data.path().to_owned(), ..Config::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refused = runtime.block_on(async {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        start(config, compiler(), listener, std::future::pending()).await.unwrap_err()
    });
    assert!(refused.to_string().contains("[[tokens]]"), "{refused}");
}

#[test]
fn development_is_for_loopback_alone_and_says_so() {
    let data = TempDir::new().unwrap();
    let mut config = Config { data: data.path().to_owned(), ..Config::default() };
    config.policy.development = true;
    config.tokens =
        vec![TokenEntry { name: "a".to_owned(), role: Role::Operator, hash: hash(&generate()) }];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refused = runtime.block_on(async {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        start(config, compiler(), listener, std::future::pending()).await.unwrap_err()
    });
    assert!(refused.to_string().contains("in development"), "{refused}");
    with_host(|host| {
        let answer = host.ask("GET", "/healthz", None, b"");
        assert_eq!(answer.body()["development"], false);
        assert!(!answer.headers().contains_key("surety-development"));
    });
    with_host_of(true, |host| {
        let answer = host.ask("GET", "/healthz", None, b"");
        assert_eq!(answer.body()["development"], true);
        let refused = host.ask("GET", "/v1/messages", None, b"");
        assert_eq!(refused.headers()["surety-development"], "true");
    });
}
