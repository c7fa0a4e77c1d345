//! Reads `[http:|https:]name[:port]`.

/// Whom a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whom<'a> {
    /// Over TLS.
    pub secure: bool,
    /// The object's name.
    pub name: &'a str,
    /// A number or a name; empty: whichever fits.
    pub port: &'a str,
}

impl<'a> Whom<'a> {
    /// `None` if it is none of that. Two parts are a name and a port; a scheme needs all three.
    pub fn parse(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (scheme, name, port) = match parts.as_slice() {
            [name] => ("", *name, ""),
            [name, port] => ("", *name, *port),
            [scheme @ ("" | "http" | "https"), name, port] => (*scheme, *name, *port),
            _ => return None,
        };
        let whom = Self { secure: scheme == "https", name, port };
        (!name.is_empty()).then_some(whom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_schemes_and_ports() {
        let read = |text| Whom::parse(text).map(|whom| (whom.secure, whom.name, whom.port));
        assert_eq!(read("web"), Some((false, "web", "")));
        assert_eq!(read("web:80"), Some((false, "web", "80")));
        assert_eq!(read("http:web:admin"), Some((false, "web", "admin")));
        assert_eq!(read("https:web:"), Some((true, "web", "")));
        assert_eq!(read(":web:80"), Some((false, "web", "80")));
        assert_eq!(read("https:web"), Some((false, "https", "web")), "two parts are a name and a port");
        for wrong in ["", ":", "ftp:web:1", "a:b:c:d", ":80"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
