//! Reviews: resources that are only ever created and never stored; the answer is the object with its status filled in.

use api::json;
use hyper::Method;
use serde_json::{Value, json as value};

use crate::access::{ResourceWish, Verdict, Wish};
use crate::auth::User;
use crate::context::Context;
use crate::failure::Failure;
use crate::fields::set;
use crate::identify;
use crate::path::ObjectPath;
use crate::respond::{self, Response};
use crate::tokens::ISSUER;

/// A resource of reviews.
#[derive(Clone, Copy, Debug)]
pub struct Review {
    /// `authorization.k8s.io`.
    pub group: &'static str,
    /// `v1`.
    pub version: &'static str,
    /// `selfsubjectaccessreviews`.
    pub plural: &'static str,
    /// `selfsubjectaccessreview`.
    pub singular: &'static str,
    /// `SelfSubjectAccessReview`.
    pub kind: &'static str,
    /// Is created in a namespace.
    pub namespaced: bool,
}

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

/// Every resource of reviews.
#[rustfmt::skip]
pub const REVIEWS: &[Review] = &[
    Review { group: AUTHENTICATION, version: "v1", plural: "selfsubjectreviews", singular: "selfsubjectreview", kind: "SelfSubjectReview", namespaced: false },
    Review { group: AUTHENTICATION, version: "v1", plural: "tokenreviews", singular: "tokenreview", kind: "TokenReview", namespaced: false },
    Review { group: AUTHORIZATION, version: "v1", plural: "localsubjectaccessreviews", singular: "localsubjectaccessreview", kind: "LocalSubjectAccessReview", namespaced: true },
    Review { group: AUTHORIZATION, version: "v1", plural: "selfsubjectaccessreviews", singular: "selfsubjectaccessreview", kind: "SelfSubjectAccessReview", namespaced: false },
    Review { group: AUTHORIZATION, version: "v1", plural: "selfsubjectrulesreviews", singular: "selfsubjectrulesreview", kind: "SelfSubjectRulesReview", namespaced: false },
    Review { group: AUTHORIZATION, version: "v1", plural: "subjectaccessreviews", singular: "subjectaccessreview", kind: "SubjectAccessReview", namespaced: false },
];

/// The reviews behind a path's group, version and plural.
pub fn by_path(group: &str, version: &str, plural: &str) -> Option<&'static Review> {
    REVIEWS.iter().find(|review| (review.group, review.version, review.plural) == (group, version, plural))
}

/// Answers the creation of a review; nothing else can be done with one.
pub fn answer(
    context: &Context,
    review: &Review,
    user: &User,
    path: &ObjectPath,
    method: &Method,
    asked: Value,
) -> Result<Response, Failure> {
    if path.subresource.is_some() || path.namespace.is_some() != review.namespaced {
        return Err(Failure::no_such_path());
    }
    if method != Method::POST || path.name.is_some() {
        return Err(Failure::method_not_allowed());
    }
    let mut object = review.fitted(asked)?;
    let status = match review.kind {
        "SelfSubjectReview" => value!({"userInfo": user.to_value()}),
        "TokenReview" => token(context, &object)?,
        "SelfSubjectRulesReview" => rules(context, user, &object)?,
        "SelfSubjectAccessReview" => access(context, review, user, &object, None)?,
        _ => access(context, review, &subject(review, &object)?, &object, path.namespace.as_deref())?,
    };
    set(&mut object, "status", status);
    Ok(respond::value(201, &object))
}

impl Review {
    /// The body as an object of this kind; it may leave its kind out.
    fn fitted(&self, mut object: Value) -> Result<Value, Failure> {
        let api_version = format!("{}/{}", self.group, self.version);
        for (field, expected) in [("apiVersion", api_version.as_str()), ("kind", self.kind)] {
            let found = json::text(&object, &format!("/{field}"));
            if !found.is_empty() && found != expected {
                let message = format!(
                    "the {field} in the data ({found}) does not match the expected {field} ({expected})"
                );
                return Err(Failure::bad_request(message));
            }
        }
        if !object.is_object() {
            return Err(Failure::bad_request("the body is not an object"));
        }
        set(&mut object, "apiVersion", api_version);
        set(&mut object, "kind", self.kind);
        if !object.get("metadata").is_some_and(Value::is_object) {
            set(&mut object, "metadata", value!({"creationTimestamp": null}));
        }
        Ok(object)
    }

    fn invalid(&self, why: &str) -> Failure {
        Failure::new(422, "Invalid", format!("{}.{} \"\" is invalid: {why}", self.kind, self.group))
    }
}

/// Whether the user may do what the review asks about.
fn access(
    context: &Context,
    review: &Review,
    user: &User,
    object: &Value,
    within: Option<&str>,
) -> Result<Value, Failure> {
    let resource = object.pointer("/spec/resourceAttributes").filter(|found| found.is_object());
    let path = object.pointer("/spec/nonResourceAttributes").filter(|found| found.is_object());
    let wish = match (resource, path) {
        (Some(wanted), None) => {
            let text = |field: &str| json::text(wanted, &format!("/{field}")).to_owned();
            if within.is_some_and(|namespace| namespace != text("namespace")) {
                return Err(review.invalid(
                    "spec.resourceAttributes.namespace: Invalid value: must match metadata.namespace",
                ));
            }
            Wish::Resource(ResourceWish {
                verb: text("verb"),
                group: text("group"),
                resource: text("resource"),
                subresource: text("subresource"),
                namespace: text("namespace"),
                name: text("name"),
            })
        }
        (None, Some(wanted)) if within.is_none() => {
            let text = |field: &str| json::text(wanted, &format!("/{field}")).to_owned();
            Wish::Path { verb: text("verb"), path: text("path") }
        }
        _ => {
            return Err(review.invalid(
                "spec.resourceAttributes: Invalid value: exactly one of nonResourceAttributes or resourceAttributes must be specified",
            ));
        }
    };
    let (allowed, because) = match context.access.policy().decide(user, &wish) {
        Verdict::Allowed { because } => (true, because),
        Verdict::Denied { because } => (false, because),
    };
    let mut status = value!({"allowed": allowed});
    if !because.is_empty() {
        set(&mut status, "reason", because);
    }
    Ok(status)
}

/// The user that a review is about.
fn subject(review: &Review, object: &Value) -> Result<User, Failure> {
    let name = json::text(object, "/spec/user");
    let groups = json::items(object, "/spec/groups").iter().filter_map(Value::as_str);
    let groups: Vec<String> = groups.map(str::to_owned).collect();
    if name.is_empty() && groups.is_empty() {
        return Err(
            review.invalid("spec.user: Invalid value: \"\": at least one of user or group must be specified")
        );
    }
    Ok(User { name: name.to_owned(), groups, ..User::default() })
}

fn rules(context: &Context, user: &User, object: &Value) -> Result<Value, Failure> {
    match json::text(object, "/spec/namespace") {
        "" => Err(Failure::bad_request("no namespace on request")),
        namespace => Ok(context.access.policy().rules_review(user, namespace)),
    }
}

/// Whom a token stands for.
fn token(context: &Context, object: &Value) -> Result<Value, Failure> {
    let token = json::text(object, "/spec/token");
    if token.is_empty() {
        return Err(Failure::bad_request("token is required for TokenReview in authentication"));
    }
    let audiences = json::items(object, "/spec/audiences").iter().filter_map(Value::as_str);
    let mut audiences: Vec<String> = audiences.map(str::to_owned).collect();
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    Ok(match identify::of_token(context, token, &audiences) {
        Some(user) => value!({"authenticated": true, "user": user.to_value(), "audiences": audiences}),
        None => value!({"authenticated": false, "user": {}, "error": "invalid bearer token"}),
    })
}
