//! Everything that one source file mentions outside its tests: imports, paths, macros, `async`. Read by syntax, not by
//! text; the insides of macro calls, which have no syntax yet, are read token by token.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, UseTree, Visibility};

#[derive(Debug, Default)]
pub struct Mentions {
    pub imports: Vec<Import>,
    /// Paths of two words and more, as they are written.
    pub paths: Vec<Mention>,
    /// Macro calls, by the path before the `!`.
    pub macros: Vec<Mention>,
    /// `async` and `.await`, by line.
    pub asyncs: Vec<usize>,
    pub modules: Vec<Module>,
    /// The whole file is for tests only.
    pub test_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The modules written out in this file around it, outermost first.
    pub inside: Vec<String>,
    pub path: Vec<String>,
    pub line: usize,
}

/// One leaf of a `use`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub mention: Mention,
    /// The name it goes by from here on; none for a glob and for `as _`.
    pub known_as: Option<String>,
    pub glob: bool,
    /// `pub use` in any of its shades.
    pub handed_on: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    pub inside: Vec<String>,
    pub name: String,
    pub line: usize,
    pub test: bool,
    /// Its file is named by a `#[path]` attribute.
    pub moved: bool,
}

/// How often an import may lead to another import before we stop following.
const HOPS: usize = 8;

impl Mentions {
    pub fn of(file: &syn::File) -> Self {
        let mut reader = Reader::default();
        reader.found.test_only = file.attrs.iter().any(is_test);
        if !reader.found.test_only {
            reader.visit_file(file);
        }
        reader.found
    }

    /// The mention with names that were imported in this file written out in full. More than one answer when two
    /// functions import different things under one name; none when it starts with something local.
    pub fn written_out(&self, mention: &Mention) -> Vec<Mention> {
        let mut open = vec![(mention.clone(), HOPS)];
        let mut done = Vec::new();
        while let Some((mention, hops)) = open.pop() {
            let imports: Vec<&Import> = self.imports_as(&mention).collect();
            if imports.is_empty() || hops == 0 {
                done.push(mention);
                continue;
            }
            for import in imports {
                let path = import.mention.path.iter().chain(&mention.path[1..]).cloned().collect();
                open.push((Mention { path, ..mention.clone() }, hops - 1));
            }
        }
        done
    }

    fn imports_as<'a>(&'a self, mention: &'a Mention) -> impl Iterator<Item = &'a Import> {
        let first = mention.path.first();
        self.imports.iter().filter(move |import| {
            import.mention.inside == mention.inside
                && import.known_as.as_ref() == first
                // `use serde;` and `use self::serde` lead nowhere new.
                && import.mention.path.first() != first
        })
    }
}

/// Whether the attribute marks what follows as compiled for tests only.
fn is_test(attribute: &Attribute) -> bool {
    match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => list.path.is_ident("cfg") && only_in_tests(list.tokens.clone()),
        Meta::NameValue(_) => false,
    }
}

/// `test`, or `all(…)` with `test` in it.
fn only_in_tests(condition: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = condition.into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(word)] => word == "test",
        [TokenTree::Ident(word), TokenTree::Group(group)] if word == "all" => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            inner
                .split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ','))
                .any(|part| only_in_tests(part.iter().cloned().collect()))
        }
        _ => false,
    }
}

#[derive(Default)]
struct Reader {
    found: Mentions,
    inside: Vec<String>,
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if !attributes(item).iter().any(is_test) {
            visit::visit_item(self, item);
        } else if let Item::Mod(module) = item {
            self.note_module(module, true);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let test = matches!(item, syn::ImplItem::Fn(method) if method.attrs.iter().any(is_test));
        if !test {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.note_module(module, false);
        self.inside.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.inside.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let handed_on = !matches!(item.vis, Visibility::Inherited);
        self.note_imports(&item.tree, &mut Vec::new(), handed_on);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let (Some(first), true) = (path.segments.first(), words.len() > 1) {
            let line = first.ident.span().start().line;
            self.note_path(words, line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let path = call.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = call.path.segments.first().map_or(1, |segment| segment.ident.span().start().line);
        self.found.macros.push(Mention { inside: self.inside.clone(), path, line });
        self.read_tokens(call.tokens.clone());
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.found.asyncs.extend(signature.asyncness.as_ref().map(|word| word.span.start().line));
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, block: &'ast syn::ExprAsync) {
        self.found.asyncs.push(block.async_token.span.start().line);
        visit::visit_expr_async(self, block);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        self.found.asyncs.extend(closure.asyncness.as_ref().map(|word| word.span.start().line));
        visit::visit_expr_closure(self, closure);
    }

    fn visit_expr_await(&mut self, wait: &'ast syn::ExprAwait) {
        self.found.asyncs.push(wait.await_token.span.start().line);
        visit::visit_expr_await(self, wait);
    }

    // `pub(in crate::x)` and attributes are no imports.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

impl Reader {
    fn note_module(&mut self, module: &syn::ItemMod, test: bool) {
        self.found.modules.push(Module {
            inside: self.inside.clone(),
            name: module.ident.to_string(),
            line: module.ident.span().start().line,
            test,
            moved: module.attrs.iter().any(|attribute| attribute.path().is_ident("path")),
        });
    }

    fn note_path(&mut self, path: Vec<String>, line: usize) {
        self.found.paths.push(Mention { inside: self.inside.clone(), path, line });
    }

    fn note_imports(&mut self, tree: &UseTree, before: &mut Vec<String>, handed_on: bool) {
        match tree {
            UseTree::Path(part) => {
                before.push(part.ident.to_string());
                self.note_imports(&part.tree, before, handed_on);
                before.pop();
            }
            UseTree::Group(group) => {
                for part in &group.items {
                    self.note_imports(part, before, handed_on);
                }
            }
            UseTree::Name(name) => {
                self.note_import(before, &name.ident, name.ident.to_string(), handed_on);
            }
            UseTree::Rename(name) => {
                self.note_import(before, &name.ident, name.rename.to_string(), handed_on);
            }
            UseTree::Glob(glob) => {
                let line = glob.star_token.spans[0].start().line;
                let mention = Mention { inside: self.inside.clone(), path: before.clone(), line };
                self.found.imports.push(Import { mention, known_as: None, glob: true, handed_on });
            }
        }
    }

    fn note_import(&mut self, before: &[String], last: &syn::Ident, known_as: String, handed_on: bool) {
        let line = last.span().start().line;
        let mut path = before.to_vec();
        let mut known_as = known_as;
        if last != "self" || before.is_empty() {
            path.push(last.to_string());
        } else if known_as == "self" {
            known_as = before.last().cloned().unwrap_or_default();
        }
        let mention = Mention { inside: self.inside.clone(), path, line };
        let known_as = Some(known_as).filter(|name| name != "_");
        self.found.imports.push(Import { mention, known_as, glob: false, handed_on });
    }

    fn read_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.read_tokens(group.stream()),
                TokenTree::Ident(word) => {
                    let line = word.span().start().line;
                    let (path, next) = path_in_tokens(&tokens, at);
                    self.note_words(path, line, tokens.get(next), tokens.get(next + 1));
                    at = next;
                    continue;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
        }
    }

    fn note_words(
        &mut self,
        path: Vec<String>,
        line: usize,
        next: Option<&TokenTree>,
        after: Option<&TokenTree>,
    ) {
        let alone = path.len() == 1;
        if alone && (path[0] == "async" || path[0] == "await") {
            self.found.asyncs.push(line);
        } else if is_punct(next, '!') && is_call(after) {
            self.found.macros.push(Mention { inside: self.inside.clone(), path, line });
        } else if !alone {
            self.note_path(path, line);
        }
    }
}

/// The words joined by `::` from `at` on, and where the next token stands.
fn path_in_tokens(tokens: &[TokenTree], at: usize) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    let mut next = at;
    while let Some(TokenTree::Ident(word)) = tokens.get(next) {
        path.push(word.to_string());
        next += 1;
        let joined = is_punct(tokens.get(next), ':') && is_punct(tokens.get(next + 1), ':');
        if !joined || !matches!(tokens.get(next + 2), Some(TokenTree::Ident(_))) {
            break;
        }
        next += 2;
    }
    (path, next)
}

fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

fn is_call(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() != Delimiter::None)
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        // Syntax that is newer than the parser.
        _ => &[],
    }
}

/// The names of the modules that are declared for tests only, with the modules around them.
pub fn test_modules(mentions: &Mentions) -> BTreeSet<Vec<String>> {
    let tests = mentions.modules.iter().filter(|module| module.test);
    tests.map(|module| module.inside.iter().chain([&module.name]).cloned().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Mentions {
        Mentions::of(&syn::parse_file(text).unwrap())
    }

    fn joined(mentions: &[Mention]) -> Vec<String> {
        mentions.iter().map(|mention| format!("{}@{}", mention.path.join("::"), mention.line)).collect()
    }

    #[test]
    fn grouped_imports_come_apart_with_their_lines_and_names() {
        let found = read("use crate::a::{self, b::{C as D, E},\n f::*};\npub(crate) use x::y as _;\n");
        let seen: Vec<_> = found
            .imports
            .iter()
            .map(|i| (i.mention.path.join("::"), i.mention.line, i.known_as.as_deref(), i.glob, i.handed_on))
            .collect();
        let expected = [
            ("crate::a".to_owned(), 1, Some("a"), false, false),
            ("crate::a::b::C".to_owned(), 1, Some("D"), false, false),
            ("crate::a::b::E".to_owned(), 1, Some("E"), false, false),
            ("crate::a::f".to_owned(), 2, None, true, false),
            ("x::y".to_owned(), 3, None, false, true),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_stands_in_tests_is_not_mentioned() {
        let found = read(
            "#[cfg(test)] mod tests { use super::*; fn f() { std::fs::read(\"\"); } }\n\
             #[cfg(all(unix, test))] use std::net;\n#[test] fn t() { println!(); }\n\
             struct S; impl S { #[cfg(test)] fn g() { std::env::args(); } }\n",
        );
        assert!(found.imports.is_empty() && found.paths.is_empty() && found.macros.is_empty(), "{found:?}");
        assert_eq!(test_modules(&found), BTreeSet::from([vec!["tests".to_owned()]]));
    }

    #[test]
    fn what_is_compiled_for_tests_and_more_is_mentioned() {
        assert_eq!(read("#[cfg(any(test, unix))] use std::net;\n").imports.len(), 1);
        assert_eq!(read("#[cfg(not(test))] use std::net;\n").imports.len(), 1);
    }

    #[test]
    fn paths_inside_macro_calls_are_seen() {
        let found = read("fn f() {\n println!(\"{}\", crate::a::b(vec![std::fs::read(x) != y]));\n}\n");
        assert_eq!(joined(&found.paths), ["crate::a::b@2", "std::fs::read@2"]);
        assert_eq!(joined(&found.macros), ["println@2", "vec@2"]);
    }

    #[test]
    fn every_spelling_of_async_is_seen() {
        let found = read(
            "async fn a() {}\ntrait T { async fn b(); }\nfn c() { async {}; }\n\
             fn d() { async || 1; }\nfn e() { m!(x.await); }\n",
        );
        assert_eq!(found.asyncs, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn an_imported_name_is_written_out() {
        let found = read("use std as s;\nuse s::fs as files;\nfn f() { files::read(\"\"); }\n");
        let whole: Vec<_> = found.paths.iter().flat_map(|path| found.written_out(path)).collect();
        assert_eq!(joined(&whole), ["std::fs::read@3"]);
    }
}
