//! Who may ask: a bearer token with a role, taken as an argument by each
//! endpoint that needs one.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use surety_core::refusal::Code;

use super::App;
use super::problem::Problem;
use crate::tokens::Permission;

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl FromRequestParts<Arc<App>> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
                check(parts, app, Permission::$name).map(|_| Self)
            }
        }
    )*};
}

permissions! {
    /// Proof of [`Permission::Read`].
    Read,
    /// Proof of [`Permission::Audit`].
    Audit,
    /// Proof of [`Permission::Deploy`].
    Deploy,
}

/// Proof of [`Permission::Operate`], with the name of the token, which records
/// carry.
pub(super) struct Operate(pub(super) String);

impl FromRequestParts<Arc<App>> for Operate {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        check(parts, app, Permission::Operate).map(Self)
    }
}

/// Gives the token's name.
fn check(parts: &Parts, app: &App, permission: Permission) -> Result<String, Problem> {
    let unauthorized = |detail: &str| Problem::new(Code::Unauthorized, detail);
    let header = parts
        .headers
        .get(AUTHORIZATION)
        .ok_or_else(|| unauthorized("this needs a token: `Authorization: Bearer …`"))?;
    let token = header.to_str().ok().and_then(bearer);
    let token = token.ok_or_else(|| unauthorized("the authorization is no bearer token"))?;
    let entry = app.tokens.find(token).ok_or_else(|| unauthorized("the token is not known"))?;
    if entry.role.may(permission) {
        return Ok(entry.name.clone());
    }
    let (name, role) = (&entry.name, entry.role.as_str());
    let what = match permission {
        Permission::Read => "read",
        Permission::Audit => "take out bundles or audit what is deployed",
        Permission::Deploy => "deploy",
        Permission::Operate => "register clients, move messages or read modules' logs",
    };
    Err(Problem::new(
        Code::Forbidden,
        format!("the token `{name}` is a {role}'s, who may not {what}"),
    ))
}

/// The token in the header's value; the scheme's case does not matter (RFC 9110).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
