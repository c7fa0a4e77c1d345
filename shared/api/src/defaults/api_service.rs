//! Defaults of APIServices.

use serde_json::Value;

use super::set_nonzero;

/// Servers of APIs speak TLS, on its port.
pub fn api_service(object: &mut Value) {
    if let Some(service) = object.pointer_mut("/spec/service").and_then(Value::as_object_mut)
        && !service.contains_key("port")
    {
        set_nonzero(service, "port", 443);
    }
}
