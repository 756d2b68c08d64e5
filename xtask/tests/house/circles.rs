//! No circle of imports inside a crate: whatever lies below two modules of one parent imports in one direction. A parent and what lies
//! below it may import each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::{root, sources, without_tests};

type Name = Vec<String>;

/// The sources of a crate by the names of their modules, and from where a module takes the names that it hands on.
struct Modules {
    sources: BTreeMap<Name, String>,
    handed_on: BTreeMap<(Name, String), Name>,
}

/// Each import of a crate that belongs to a circle, or leads from one to another: the module that has it, and its path.
pub(super) fn circles(member: &str) -> Vec<String> {
    let circles = Modules::of(read(&root().join(member).join("src"))).circles();
    circles
        .into_iter()
        .map(|circle| format!("{member}: {circle}"))
        .collect()
}

/// What is left of a graph without all that nothing leads to, or from.
fn in_circles(mut edges: BTreeMap<(String, String), String>) -> Vec<String> {
    loop {
        let sources: BTreeSet<String> = edges.keys().map(|(from, _)| from.clone()).collect();
        let targets: BTreeSet<String> = edges.keys().map(|(_, to)| to.clone()).collect();
        let before = edges.len();
        edges.retain(|(from, to), _| targets.contains(from) && sources.contains(to));
        if edges.len() == before {
            return edges.into_values().collect();
        }
    }
}

fn read(folder: &Path) -> BTreeMap<Name, String> {
    let mut files = Vec::new();
    sources(folder, &mut files);
    let mut modules: BTreeMap<Name, String> = BTreeMap::new();
    for file in files {
        let path = file.strip_prefix(folder).unwrap().with_extension("");
        let mut name: Name = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if name[0] == "bin" || name.last().unwrap() == "tests" {
            continue;
        }
        if matches!(&name[..], [file] if file == "lib" || file == "main") {
            name.clear();
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = without_tests(&text).map(|line| line.split("//").next().unwrap());
        modules
            .entry(name)
            .or_default()
            .extend(code.flat_map(|line| [line, "\n"]));
    }
    modules
}

impl Modules {
    fn of(sources: BTreeMap<Name, String>) -> Self {
        let handed_on = sources.iter().flat_map(|(name, source)| {
            let imports = uses(source).into_iter().filter(|(is_public, _)| *is_public);
            let paths = imports.flat_map(|(_, tree)| flat(&tree));
            paths.map(|path| ((name.clone(), path.last().cloned().unwrap_or_default()), path))
        });
        Self {
            handed_on: handed_on.collect(),
            sources,
        }
    }

    fn circles(&self) -> Vec<String> {
        let mut levels: BTreeMap<Name, BTreeMap<(String, String), String>> = BTreeMap::new();
        for (from, source) in &self.sources {
            for path in paths(source) {
                let Some(to) = self.resolve(from, &path, 0) else {
                    continue;
                };
                let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                if let (Some(a), Some(b)) = (from.get(common), to.get(common)) {
                    let edges = levels.entry(from[..common].to_vec()).or_default();
                    edges.insert(
                        (a.clone(), b.clone()),
                        format!("{}: {}", from.join("::"), path.join("::")),
                    );
                }
            }
        }
        levels.into_values().flat_map(in_circles).collect()
    }

    /// The module that a path leads to when it is written in `from`; `None` for one that leaves the crate.
    fn resolve(&self, from: &Name, path: &[String], depth: u32) -> Option<Name> {
        let mut at = from.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                at.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {
                while let Some(("super", after)) = rest.split_first().map(|(first, after)| (first.as_str(), after)) {
                    at.pop();
                    rest = after;
                }
            }
            child if self.sources.contains_key(&[&at[..], &[child.to_owned()]].concat()) => {}
            _ => return None,
        }
        while let Some((first, after)) = rest.split_first() {
            let below = [&at[..], std::slice::from_ref(first)].concat();
            if !self.sources.contains_key(&below) {
                let Some(path) = self.handed_on.get(&(at.clone(), first.clone())) else {
                    break;
                };
                // Two modules may hand each other's names on.
                return match depth < 8 {
                    true => self.resolve(&at, &[path, after].concat(), depth + 1),
                    false => Some(at),
                };
            }
            at = below;
            rest = after;
        }
        Some(at)
    }
}

/// The trees of all `use` items, and whether others can import what they name.
fn uses(source: &str) -> Vec<(bool, String)> {
    let mut at = 0;
    let items = source.split_inclusive(['\n', ';', '{', '}']).filter_map(|part| {
        let item = &source[at..];
        at += part.len();
        let is_public = part.trim_start().starts_with("pub");
        let is_use = part.trim_start().starts_with("use ") || is_public && part.contains(" use ");
        let tree = item.split_once("use ")?.1.split(';').next()?;
        is_use.then(|| (is_public, tree.to_owned()))
    });
    items.collect()
}

/// All paths in a source that may lead to another module of its crate.
fn paths(source: &str) -> Vec<Name> {
    let mut paths: Vec<Name> = uses(source).iter().flat_map(|(_, tree)| flat(tree)).collect();
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    for root in ["crate::", "super::", "self::"] {
        for (at, _) in source.match_indices(root) {
            if source[..at].ends_with(|c: char| is_part(c) || c == ':') {
                continue;
            }
            let path = source[at..].split(|c: char| !is_part(c) && c != ':').next().unwrap();
            paths.push(
                path.split("::")
                    .filter(|part| !part.is_empty())
                    .map(str::to_owned)
                    .collect(),
            );
        }
    }
    paths
}

/// The paths of a tree such as `a::{b, c::{self, d as e}}`.
fn flat(tree: &str) -> Vec<Name> {
    let names = |path: &str| -> Name {
        let parts = path.split("::").map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let mut depth = 0;
    let parts = tree.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    let parts = parts.map(str::trim).filter(|part| !part.is_empty());
    parts
        .flat_map(|part| match part.split_once('{') {
            Some((head, inner)) => {
                let inner = inner.trim_end().strip_suffix('}').unwrap_or(inner);
                let below = flat(inner).into_iter();
                below.map(|path| [names(head), path].concat()).collect()
            }
            None => vec![names(part.split(" as ").next().unwrap_or(part))],
        })
        .collect()
}

#[test]
fn circles_are_found_through_names_that_are_handed_on_and_not_between_parent_and_child() {
    let circles = |sources: &[(&str, &str)]| {
        let modules = sources.iter().map(|(name, source)| {
            let name = name.split("::").filter(|part| !part.is_empty());
            (name.map(str::to_owned).collect(), (*source).to_owned())
        });
        Modules::of(modules.collect()).circles()
    };
    let line = [
        ("", "pub use a::{Name, x};\nuse b::y;"),
        ("a", "use crate::{b, c::Other as It};"),
        ("b", "use super::x;"),
        ("b::c", "use super::d::y;"),
        ("b::d", "fn f() { super::g(); crate::y(); }"),
    ];
    assert_eq!(circles(&line[..2]), [""; 0]);
    let mut named = line;
    named[2].1 = "use std::x;\nuse super::{y, Name};";
    assert_eq!(circles(&named), ["a: crate::b", "b: super::Name"]);
    let mut below = line;
    below[2].1 = "";
    below[4].1 = "fn f() { super::c::z(crate::a::f) }";
    assert_eq!(
        circles(&below),
        [
            "a: crate::b",
            "b::d: crate::a::f",
            "b::c: super::d::y",
            "b::d: super::c::z"
        ]
    );
}
