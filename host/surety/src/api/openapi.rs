//! What the OpenAPI document says beside the endpoints.

use utoipa::OpenApi as _;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, Ref, RefOr, ResponseBuilder};

use super::problem::{PROBLEM_JSON, ProblemView};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "surety",
        description = "Runs signed messages through sandboxed actions, and proves what it did.",
        license(name = "MIT OR Apache-2.0"),
    ),
    components(schemas(ProblemView))
)]
struct Preamble;

/// What a token is for.
const TOKEN: &str = "A token with a role. reader: asks; auditor: asks, takes out bundles, and \
    audits what is deployed; deployer: asks, and deploys; operator: all, registers clients, moves messages, and reads \
    what modules wrote.";

/// The document without endpoints.
pub(super) fn preamble() -> OpenApi {
    Preamble::openapi()
}

/// Adds what holds for all endpoints alike: how a token is sent, and what an
/// answer is that is not one of those listed.
pub(super) fn finish(mut document: OpenApi) -> OpenApi {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let problem = ResponseBuilder::new()
        .description("A refusal or a failure, with a stable code")
        .content(PROBLEM_JSON, content)
        .build();
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            let responses = &mut operation.responses.responses;
            responses.insert("default".to_owned(), RefOr::T(problem.clone()));
        }
    }
    if let Some(components) = document.components.as_mut() {
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(TOKEN));
        components.add_security_scheme("token", SecurityScheme::Http(token.build()));
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use crate::api::document;

    #[test]
    fn the_document_is_of_openapi_3_1_and_has_every_path() {
        let document = serde_json::to_value(document()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        for path in ["/v1/msg-ids", "/v1/messages/{id}/history", "/v1/clients/{id}", "/healthz"] {
            assert!(document["paths"][path].is_object(), "{path}");
        }
    }

    #[test]
    fn every_operation_has_its_own_name_and_says_what_a_problem_is() {
        let document = serde_json::to_value(document()).unwrap();
        let mut names = std::collections::HashSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(names.insert(&operation["operationId"]), "{method} {path}");
                assert!(operation["responses"]["default"].is_object(), "{method} {path}");
            }
        }
    }

    #[test]
    fn references_lead_somewhere() {
        let document = serde_json::to_value(document()).unwrap();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
