//! Values of Kubernetes' own types in expressions: addresses, quantities, versions, …

use std::any::Any;
use std::cmp::Ordering;
use std::fmt::Debug;

use cel::common::traits::Comparer;
use cel::common::types::Type;
use cel::common::value::{StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

/// Names that expressions can compare with: `type(x) == net.IP`.
const NAMES: [&str; 6] = [
    "net.IP",
    "net.CIDR",
    "kubernetes.URL",
    "kubernetes.Quantity",
    "kubernetes.Semver",
    "kubernetes.NamedFormat",
];

pub(super) fn extension(environment: &mut Env) -> Result<(), DeclarationError> {
    NAMES.iter().try_for_each(|name| environment.add_type(Type::new_unspecified_type(name)))
}

/// A type that expressions know by a name.
pub(super) trait Named: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// Its name, as `type()` tells it.
    fn named() -> &'static Type;
}

/// A value of such a type.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Native<T>(pub T);

impl<T: Named> Val for Native<T> {
    fn get_type(&self) -> &Type {
        T::named()
    }

    fn cel_type() -> &'static Type {
        T::named()
    }

    fn as_comparer(&self) -> Option<&dyn Comparer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>().is_some_and(|other| other.0 == self.0)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl<T: Named> StaticVal for Native<T> {}

/// They have no order by operators: `compareTo` and its like are functions.
impl<T: Named> Comparer for Native<T> {
    fn compare(&self, _: &dyn Val) -> Result<Ordering, ExecutionError> {
        Err(ExecutionError::no_such_overload("_<_", Vec::new()))
    }
}

/// Gives types their names.
macro_rules! named {
    ($($type:ty => $name:literal),* $(,)?) => {
        $(impl $crate::cel::native::Named for $type {
            fn named() -> &'static cel::common::types::Type {
                static NAMED: cel::common::types::Type = cel::common::types::Type::new_unspecified_type($name);
                &NAMED
            }
        })*
    };
}
pub(super) use named;
