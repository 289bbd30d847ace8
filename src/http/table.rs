//! Which resource a path names.

use std::fmt;

use matchit::Router;

use super::resource::Resource;

/// The resources of a daemon by their paths.
pub(super) struct Table {
    paths: Router<Resource>,
    nothing: Resource,
}

impl Table {
    /// A table of these rows. A path may have one part in braces, which stands for any text between
    /// slashes.
    pub(super) fn new(rows: impl IntoIterator<Item = (&'static str, Resource)>) -> Self {
        let mut paths = Router::new();
        for (path, resource) in rows {
            paths
                .insert(path, resource)
                .expect("the rows are ours, and no two have the same path");
        }
        Self {
            paths,
            nothing: Resource::nothing(),
        }
    }

    /// The resource at this path, and the text that stands in the place of the braces. A slash at
    /// the end changes nothing.
    pub(super) fn find<'a>(&self, path: &'a str) -> (&Resource, &'a str) {
        let bare = path.strip_suffix('/');
        let bare = bare.filter(|bare| !bare.is_empty() && !bare.ends_with('/'));
        match self.paths.at(bare.unwrap_or(path)) {
            Ok(found) => {
                let text = found.params.iter().next().map(|(_, text)| text);
                (found.value, text.unwrap_or_default())
            }
            Err(_) => (&self.nothing, ""),
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Table")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_one_resource_or_none() {
        let rows = ["/", "/ask", "/r/{id}", "/v1/requests", "/v1/requests/{id}"];
        let rows = rows.into_iter().chain(["/v1/requests/{id}/seen"]);
        let table = Table::new(rows.map(|path| (path, Resource::new())));
        for (path, text) in [
            ("/", Some("")),
            ("/ask", Some("")),
            ("/ask/", Some("")),
            ("/r/marten", Some("marten")),
            ("/r/marten/", Some("marten")),
            ("/v1/requests/a%2Fb", Some("a%2Fb")),
            ("/v1/requests/{id}", Some("{id}")),
            ("/v1/requests/a/seen", Some("a")),
            ("", None),
            ("*", None),
            ("//", None),
            ("/r", None),
            ("/r/", None),
            ("/r//", None),
            ("/asks", None),
            ("/v1//requests", None),
            ("/v1/requests//seen", None),
            ("/v1/requests/a/b", None),
            ("/v1/requests/a/seen/b", None),
        ] {
            let (resource, found) = table.find(path);
            assert_eq!(resource.exists().then_some(found), text, "{path}");
        }
    }
}
