//! Resources that are answered and never stored: one list, for routing, discovery and OpenAPI alike.

use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;

use crate::auth::User;
use crate::components::COMPONENTS;
use crate::context::Context;
use crate::failure::Failure;
use crate::path::{ObjectPath, Query};
use crate::respond::{self, Response};
use crate::reviews::REVIEWS;
use crate::usage::MEASURED;
use crate::{components, reviews, usage};

/// A resource as discovery tells of it, and who answers.
#[derive(Clone, Copy, Debug)]
pub struct Unstored {
    /// `metrics.k8s.io`; empty for the core group.
    pub group: &'static str,
    /// `v1beta1`.
    pub version: &'static str,
    /// `pods`.
    pub plural: &'static str,
    /// `pod`.
    pub singular: &'static str,
    /// `PodMetrics`.
    pub kind: &'static str,
    /// `cs`.
    pub short_names: &'static [&'static str],
    /// Is asked for in a namespace.
    pub namespaced: bool,
    /// What can be done with it.
    pub verbs: &'static [&'static str],
    /// Who answers.
    pub by: By,
}

/// Who answers for a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The answer is what was sent, with its status filled in.
    Review,
    /// The nodes' agents measure.
    Usage,
    /// The gateway looks at what it works with.
    Components,
}

/// A request about such a resource.
pub struct Question<'a> {
    /// The resource.
    pub about: &'static Unstored,
    /// Who asks.
    pub user: &'a User,
    /// The path.
    pub path: &'a ObjectPath,
    /// The query.
    pub query: &'a Query,
}

/// Every such resource.
pub fn all() -> impl Iterator<Item = &'static Unstored> + Clone {
    REVIEWS.iter().chain(MEASURED).chain(COMPONENTS)
}

/// What a path asks about, if it is none of what is stored.
pub fn by_path(path: &ObjectPath) -> Option<&'static Unstored> {
    let asked = (path.api.group.as_str(), path.api.version.as_str(), path.plural.as_str());
    all().find(|one| (one.group, one.version, one.plural) == asked)
}

/// Answers whatever is asked.
pub async fn answer(
    context: &Arc<Context>,
    question: Question<'_>,
    request: Request<Incoming>,
) -> Result<Response, Failure> {
    let about = question.about;
    let mut response = match about.by {
        By::Review => reviews::receive(context, question, request).await,
        By::Usage => usage::answer(context, question, request.method()).await,
        By::Components => components::answer(context, &question, &request),
    }?;
    let deprecation = api::warnings::deprecation(about.group, about.version, about.kind);
    respond::warn(&mut response, deprecation.map(str::to_owned).as_slice());
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_listed_twice_and_nothing_is_stored() {
        let mut seen = std::collections::BTreeSet::new();
        for one in all() {
            assert!(seen.insert((one.group, one.version, one.plural)), "{one:?}");
            assert!(api::kinds().by_path(one.group, one.version, one.plural).is_none(), "{one:?}");
        }
    }
}
