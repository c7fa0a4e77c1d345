//! Acting as someone else (`kubectl --as`), for those whom a role lets impersonate that user, those groups and all the rest.

use std::collections::BTreeMap;

use hyper::HeaderMap;

use crate::access::{ResourceWish, Wish};
use crate::auth::User;
use crate::context::Context;
use crate::failure::Failure;
use crate::path;

const EXTRA: &str = "impersonate-extra-";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// Whom a request wants to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask {
    user: String,
    uid: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

impl Mask {
    /// Reads `Impersonate-…` headers; `None` if there are none.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Failure> {
        let all = |name: &str| {
            let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.filter(|value| !value.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        let first = |name: &str| all(name).into_iter().next().unwrap_or_default();
        let mut mask = Self {
            user: first("impersonate-user"),
            uid: first("impersonate-uid"),
            groups: all("impersonate-group"),
            extra: BTreeMap::new(),
        };
        for name in headers.keys() {
            if let Some(key) = name.as_str().strip_prefix(EXTRA) {
                mask.extra.insert(path::decode(key), all(name.as_str()));
            }
        }
        match (mask.user.is_empty(), mask == Self::default()) {
            (false, _) => Ok(Some(mask)),
            (true, true) => Ok(None),
            (true, false) => {
                let (Self { groups, extra, uid, .. }, message) = (&mask, "without impersonating a user");
                Err(Failure::bad_request(format!(
                    "requested groups {groups:?}, uid {uid:?}, extra {extra:?} {message}"
                )))
            }
        }
    }

    /// The other user, if each part of the mask is allowed.
    pub fn worn_by(self, context: &Context, known: &User) -> Result<User, Failure> {
        for wish in self.wishes() {
            context.access.permit(known, &Wish::Resource(wish))?;
        }
        let mut user = User::named(&self.user, self.groups);
        user.uid = self.uid;
        user.extra = self.extra;
        Ok(user)
    }

    /// What has to be allowed.
    fn wishes(&self) -> Vec<ResourceWish> {
        let mut wishes = vec![self.user_wish()];
        wishes.extend(self.groups.iter().map(|group| wish("", "groups", "", group)));
        if !self.uid.is_empty() {
            wishes.push(wish(AUTHENTICATION, "uids", "", &self.uid));
        }
        for (key, values) in &self.extra {
            wishes.extend(values.iter().map(|value| wish(AUTHENTICATION, "userextras", key, value)));
        }
        wishes
    }

    fn user_wish(&self) -> ResourceWish {
        let named = User { name: self.user.clone(), ..User::default() };
        match named.service_account() {
            Some((namespace, name)) => {
                ResourceWish { namespace: namespace.to_owned(), ..wish("", "serviceaccounts", "", name) }
            }
            None => wish("", "users", "", &self.user),
        }
    }
}

fn wish(group: &str, resource: &str, subresource: &str, name: &str) -> ResourceWish {
    ResourceWish {
        verb: "impersonate".to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        name: name.to_owned(),
        ..ResourceWish::default()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn wishes(headers: &[(&'static str, &'static str)]) -> String {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        match Mask::of(&headers.collect()) {
            Ok(None) => "nobody\n".to_owned(),
            Ok(Some(mask)) => mask
                .wishes()
                .iter()
                .map(|wish| {
                    format!(
                        "{} {}/{} {} {}\n",
                        wish.group, wish.resource, wish.subresource, wish.namespace, wish.name
                    )
                })
                .collect(),
            Err(failure) => format!("{}: {}\n", failure.code(), failure.status.message),
        }
    }

    #[test]
    fn every_part_is_asked_for() {
        let mut text = wishes(&[("accept", "x")]);
        text +=
            &wishes(&[("impersonate-user", "jane"), ("impersonate-group", "dev"), ("impersonate-uid", "7")]);
        text += &wishes(&[
            ("impersonate-user", "system:serviceaccount:web:robot"),
            ("impersonate-extra-acme.com%2fscope", "view"),
        ]);
        text += &wishes(&[("impersonate-group", "system:masters")]);
        expect![[r#"
            nobody
             users/  jane
             groups/  dev
            authentication.k8s.io uids/  7
             serviceaccounts/ web robot
            authentication.k8s.io userextras/acme.com/scope  view
            400: requested groups ["system:masters"], uid "", extra {} without impersonating a user
        "#]]
        .assert_eq(&text);
    }
}
