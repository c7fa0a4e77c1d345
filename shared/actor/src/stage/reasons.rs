//! Why a turn runs: the wakes that it answers.

use std::fmt;

use api::ObjectKey;
use api::journal::Cause;

/// Reasons that a turn remembers one by one; a burst beyond is only counted.
const REMEMBERED: usize = 8;

/// One wake.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// What happened: `changed`, `deleted`, `heard`.
    pub what: &'static str,
    /// To which object, if to one.
    pub about: Option<ObjectKey>,
    /// The request or turn that made it happen.
    pub cause: Cause,
}

/// The wakes that one turn answers, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reasons {
    remembered: Vec<Reason>,
    /// Wakes beyond those remembered.
    more: usize,
}

impl Reason {
    /// A wake that is about nothing in particular.
    pub fn plain(what: &'static str) -> Self {
        Self { what, about: None, cause: Cause::default() }
    }
}

impl Reasons {
    /// Adds a wake. One that says the same as another adds nothing but its cause, which replaces the older one.
    pub fn push(&mut self, reason: Reason) {
        let same = |known: &&mut Reason| known.what == reason.what && known.about == reason.about;
        if let Some(known) = self.remembered.iter_mut().find(same) {
            known.cause = reason.cause;
        } else if self.remembered.len() < REMEMBERED {
            self.remembered.push(reason);
        } else {
            self.more += 1;
        }
    }

    /// Nothing woke it.
    pub fn is_empty(&self) -> bool {
        self.remembered.is_empty()
    }

    /// The wakes, the first `REMEMBERED` different ones.
    pub fn iter(&self) -> impl Iterator<Item = &Reason> {
        self.remembered.iter()
    }

    /// Puts wakes that were taken back in front.
    pub fn restore(&mut self, earlier: Reasons) {
        let later = std::mem::replace(self, earlier);
        self.more += later.more;
        later.remembered.into_iter().for_each(|reason| self.push(reason));
    }

    /// What the turn's own writes are caused by: a change of `own` if there is one, else the first change that has a cause.
    pub fn cause(&self, own: Option<&ObjectKey>) -> Cause {
        let caused = || self.remembered.iter().filter(|reason| reason.cause != Cause::default());
        let of_own = caused().find(|reason| own.is_some() && reason.about.as_ref() == own);
        of_own.or_else(|| caused().next()).map(|reason| reason.cause).unwrap_or_default()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.about {
            Some(key) => write!(f, "{key} {}", self.what),
            None => f.write_str(self.what),
        }
    }
}

impl fmt::Display for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, reason) in self.remembered.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{reason}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use api::ResourceId;

    use super::*;

    fn pod(name: &str, span_id: u64) -> Reason {
        let about = ObjectKey::namespaced(ResourceId::new("pods"), "default", name);
        Reason { what: "changed", about: Some(about), cause: Cause { trace_id: 1, span_id } }
    }

    #[test]
    fn a_burst_stays_short() {
        let mut reasons = Reasons::default();
        (0..100).for_each(|number| reasons.push(pod(&format!("web-{}", number % 10), number)));
        assert_eq!(reasons.iter().count(), 8);
        assert!(reasons.to_string().ends_with("pods/default/web-7 changed and 20 more"), "{reasons}");
    }

    #[test]
    fn its_own_change_is_the_cause_if_there_is_one() {
        let mut reasons = Reasons::default();
        reasons.push(Reason::plain("resync"));
        reasons.push(pod("a", 7));
        reasons.push(pod("b", 8));
        assert_eq!(reasons.cause(None).span_id, 7);
        assert_eq!(reasons.cause(pod("b", 0).about.as_ref()).span_id, 8);
        assert_eq!(Reasons::default().cause(None), Cause::default());
    }
}
