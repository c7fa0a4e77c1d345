//! Finds out who asks, from what a request shows; and whom a token stands for.

use api::{ObjectKey, ResourceId, json};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use crate::auth::{self, User};
use crate::context::Context;
use crate::failure::Failure;
use crate::impersonate::Mask;
use crate::subresources;
use crate::tokens::{Claims, ISSUER};

const SERVICE_ACCOUNTS: ResourceId = ResourceId::new("serviceaccounts");

/// Who asks: the certificate's subject, else whom the bearer token stands for; or whom they wish to be, if they may.
pub fn user(context: &Context, certified: Option<User>, headers: &HeaderMap) -> Result<User, Failure> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let shown = auth::bearer(text(AUTHORIZATION.as_str()));
    let known = match (certified, shown) {
        (Some(user), _) => user,
        (None, Some(token)) => {
            of_token(context, token, &[ISSUER.to_owned()]).ok_or_else(Failure::unauthorized)?
        }
        (None, None) => return Err(Failure::unauthorized()),
    };
    match Mask::of(headers)? {
        None => Ok(known),
        Some(mask) => mask.worn_by(context, &known),
    }
}

/// Whom a token stands for, if one of `audiences` is meant.
pub fn of_token(context: &Context, token: &str, audiences: &[String]) -> Option<User> {
    if auth::same(token, &context.admin_token) {
        return Some(User::admin());
    }
    let now = telemetry::clock::now().0.div_euclid(1_000_000);
    let claims = context.tokens.verify(token, now)?;
    let meant = claims.audiences.iter().any(|audience| audiences.contains(audience));
    (meant && still_true(context, &claims)).then(|| user_of(&claims))
}

/// The account and what the token is bound to are still the same objects.
fn still_true(context: &Context, claims: &Claims) -> bool {
    let lives = |key: ObjectKey, uid: &str| {
        context.view.get(&key).is_some_and(|stored| json::text(&stored.value(), "/metadata/uid") == uid)
    };
    lives(ObjectKey::namespaced(SERVICE_ACCOUNTS, &claims.namespace, &claims.name), &claims.uid)
        && claims.bound.as_ref().is_none_or(|bound| {
            lives(subresources::token::key_of(bound.kind, &claims.namespace, &bound.name), &bound.uid)
        })
}

fn user_of(claims: &Claims) -> User {
    let user = User::of_service_account(&claims.namespace, &claims.name, &claims.uid, &claims.id);
    match &claims.bound {
        Some(bound) if bound.kind != "Secret" => {
            let kind = bound.kind.to_lowercase();
            user.with(&format!("authentication.kubernetes.io/{kind}-name"), bound.name.clone())
                .with(&format!("authentication.kubernetes.io/{kind}-uid"), bound.uid.clone())
        }
        Some(_) | None => user,
    }
}
