//! `pods/resize`: other resources for containers that run; nothing else of the pod changes (KEP-1287).

use api::kinds::FieldError;
use api::lifecycle::Refusal;
use api::{KindInfo, json, validation};
use serde_json::Value;

/// Makes a pod with other resources ready to replace `old`; the rules that it breaks.
pub fn prepare(new: &mut Value, old: &Value, kind: &KindInfo) -> Result<Vec<FieldError>, Refusal> {
    let wanted = std::mem::replace(new, old.clone());
    for list in ["/spec/containers", "/spec/initContainers"] {
        let containers = new.pointer_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let name = json::text(container, "/name");
            let asked = json::items(&wanted, list).iter().find(|asked| json::text(asked, "/name") == name);
            if let (Some(asked), Some(container)) = (asked, container.as_object_mut()) {
                let resources =
                    asked.get("resources").cloned().unwrap_or_else(|| Value::Object(Default::default()));
                container.insert("resources".to_owned(), resources);
            }
        }
    }
    super::ready(new, &wanted, old, kind)?;
    Ok(validation::resize(new, old))
}
