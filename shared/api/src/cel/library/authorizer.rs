//! What others may do, asked by expressions: `authorizer.group("").resource("pods").namespace("a").check("create").allowed()`.

use std::fmt;
use std::sync::Arc;

use cel::common::types::{CelBool, CelString};
use cel::common::value::Val;
use cel::{DeclarationError, Env, add_member_overload};

use crate::cel::native::{Native, named};

/// Decides who may do what.
pub trait Authorizer: Send + Sync {
    /// Whether whoever makes the request (or an account) may.
    fn decide(&self, question: &Question) -> Verdict;
}

/// What somebody wants to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// A path that is no resource; empty if it is one.
    pub path: String,
    /// `apps`.
    pub group: String,
    /// `deployments`.
    pub resource: String,
    /// `scale`.
    pub subresource: String,
    /// Empty: at the cluster's scope.
    pub namespace: String,
    /// Empty: all of them.
    pub name: String,
    /// `create`.
    pub verb: String,
    /// Namespace and name of an account that is asked about instead of whoever makes the request.
    pub account: Option<(String, String)>,
}

/// What was decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Why.
    pub reason: String,
}

/// Somebody who can be asked.
#[derive(Clone)]
struct Asked(Arc<dyn Authorizer>);

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("authorizer")
    }
}

impl PartialEq for Asked {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

macro_rules! stages {
    ($($(#[$doc:meta])* $stage:ident => $name:literal),*) => {
        $($(#[$doc])* #[derive(Clone, Debug, PartialEq)] struct $stage(Asked, Question);)*
        named! { $($stage => $name),* }
    };
}

stages! {
    /// Somebody's rights.
    Rights => "kubernetes.authorization.Authorizer",
    /// About a path.
    Path => "kubernetes.authorization.PathCheck",
    /// About a group.
    Group => "kubernetes.authorization.GroupCheck",
    /// About a resource.
    Resource => "kubernetes.authorization.ResourceCheck"
}
named! { Verdict => "kubernetes.authorization.Decision" }

type Text<'a> = CelString<'a>;

/// The variable `authorizer`.
pub fn authorizer(asked: Arc<dyn Authorizer>) -> Box<dyn Val> {
    Box::new(Native(Rights(Asked(asked), Question::default())))
}

/// The variable `authorizer.requestResource`.
pub fn request_resource(asked: Arc<dyn Authorizer>, resource: Question) -> Box<dyn Val> {
    Box::new(Native(Resource(Asked(asked), resource)))
}

pub(super) fn extension(environment: &mut Env) -> Result<(), DeclarationError> {
    type R = Native<Resource>;
    add_member_overload!(environment, fn path: (Native<Rights>, Text) -> Native<Path>)?;
    add_member_overload!(environment, fn group: (Native<Rights>, Text) -> Native<Group>)?;
    add_member_overload!(environment, fn service_account: (Native<Rights>, Text, Text) -> Native<Rights>)?;
    add_member_overload!(environment, fn resource: (Native<Group>, Text) -> Native<Resource>)?;
    add_member_overload!(environment, fn subresource: (R, Text) -> Native<Resource>)?;
    add_member_overload!(environment, fn namespace: (R, Text) -> Native<Resource>)?;
    add_member_overload!(environment, fn name: (R, Text) -> Native<Resource>)?;
    add_member_overload!(environment, fn selector: (R, Text) -> Native<Resource>, name = "fieldSelector", id = "byFields")?;
    add_member_overload!(environment, fn selector: (R, Text) -> Native<Resource>, name = "labelSelector", id = "byLabels")?;
    add_member_overload!(environment, fn check_path: (Native<Path>, Text) -> Native<Verdict>, name = "check")?;
    add_member_overload!(environment, fn check: (R, Text) -> Native<Verdict>)?;
    add_member_overload!(environment, fn allowed: (Native<Verdict>) -> CelBool)?;
    add_member_overload!(environment, fn reason: (Native<Verdict>) -> CelString)?;
    add_member_overload!(environment, fn errored: (Native<Verdict>) -> CelBool)?;
    add_member_overload!(environment, fn error: (Native<Verdict>) -> CelString)?;
    Ok(())
}

fn path(it: &Native<Rights>, path: &Text<'_>) -> Native<Path> {
    Native(Path(it.0.0.clone(), Question { path: path.inner().to_owned(), ..it.0.1.clone() }))
}

fn group(it: &Native<Rights>, group: &Text<'_>) -> Native<Group> {
    Native(Group(it.0.0.clone(), Question { group: group.inner().to_owned(), ..it.0.1.clone() }))
}

fn service_account(it: &Native<Rights>, namespace: &Text<'_>, name: &Text<'_>) -> Native<Rights> {
    let account = Some((namespace.inner().to_owned(), name.inner().to_owned()));
    Native(Rights(it.0.0.clone(), Question { account, ..it.0.1.clone() }))
}

fn resource(it: &Native<Group>, resource: &Text<'_>) -> Native<Resource> {
    Native(Resource(it.0.0.clone(), Question { resource: resource.inner().to_owned(), ..it.0.1.clone() }))
}

fn subresource(it: &Native<Resource>, subresource: &Text<'_>) -> Native<Resource> {
    Native(Resource(
        it.0.0.clone(),
        Question { subresource: subresource.inner().to_owned(), ..it.0.1.clone() },
    ))
}

fn namespace(it: &Native<Resource>, namespace: &Text<'_>) -> Native<Resource> {
    Native(Resource(it.0.0.clone(), Question { namespace: namespace.inner().to_owned(), ..it.0.1.clone() }))
}

fn name(it: &Native<Resource>, name: &Text<'_>) -> Native<Resource> {
    Native(Resource(it.0.0.clone(), Question { name: name.inner().to_owned(), ..it.0.1.clone() }))
}

/// Roles know no selectors: what is allowed is allowed for all.
fn selector(it: &Native<Resource>, _: &Text<'_>) -> Native<Resource> {
    it.clone()
}

fn ask(asked: &Asked, question: &Question, verb: &Text<'_>) -> Native<Verdict> {
    Native(asked.0.decide(&Question { verb: verb.inner().to_owned(), ..question.clone() }))
}

fn check_path(it: &Native<Path>, verb: &Text<'_>) -> Native<Verdict> {
    ask(&it.0.0, &it.0.1, verb)
}

fn check(it: &Native<Resource>, verb: &Text<'_>) -> Native<Verdict> {
    ask(&it.0.0, &it.0.1, verb)
}

fn allowed(it: &Native<Verdict>) -> CelBool {
    CelBool::from(it.0.allowed)
}

fn reason(it: &Native<Verdict>) -> CelString<'static> {
    CelString::from(it.0.reason.clone())
}

/// Deciding does not fail.
fn errored(_: &Native<Verdict>) -> CelBool {
    CelBool::from(false)
}

fn error(_: &Native<Verdict>) -> CelString<'static> {
    CelString::from(String::new())
}
