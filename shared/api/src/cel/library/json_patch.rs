//! `jsonpatch.escapeKey("a/b")`: a key as a part of a JSON pointer.

use cel::common::types::CelString;
use cel::{DeclarationError, Env, add_overload};

pub(super) fn extension(environment: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(environment, fn escape_key: (CelString) -> CelString, name = "jsonpatch.escapeKey")?;
    Ok(())
}

fn escape_key(key: &CelString<'_>) -> CelString<'static> {
    key.inner().replace('~', "~0").replace('/', "~1").into()
}
