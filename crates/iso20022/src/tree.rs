//! Bytes to a bounded tree of elements: all that is hostile about XML ends here.
//!
//! The whole file is checked against [`crate::limits`] while it is read; a tree is made because a
//! message is used whole or not at all. Names, and texts without references, are slices of the
//! file.

use std::borrow::Cow;
use std::cell::Cell;

use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::errors::Error as XmlError;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::{NamespaceError, ResolveResult};

use crate::error::{Problem, ReadError, Rule};
use crate::limits::{
    ATTRIBUTES_MAX, DEPTH_MAX, ELEMENTS_MAX, FILE_BYTES_MAX, NAME_BYTES_MAX,
    NAMESPACE_DECLARATIONS_MAX, NAMESPACES_MAX, TEXT_BYTES_MAX,
};

/// The only attribute that the messages of ISO 20022 use.
const CURRENCY_ATTRIBUTE: &str = "Ccy";
/// The path of an error that is in no element.
const WHOLE: &str = "/";
/// Index of the empty namespace.
pub(crate) const NO_NAMESPACE: u8 = 0;

/// One element.
#[derive(Debug)]
pub(crate) struct Element<'i> {
    /// The local name.
    pub(crate) name: &'i str,
    /// Index into [`Tree::namespaces`].
    pub(crate) namespace: u8,
    /// Where its `<` stands in the file.
    pub(crate) offset: usize,
    /// The value of `Ccy`.
    pub(crate) currency: Option<Box<str>>,
    /// The text, when there are no children.
    pub(crate) text: Cow<'i, str>,
    pub(crate) children: Vec<Element<'i>>,
    /// Text stands between the children, or a comment inside the text.
    pub(crate) mixed: bool,
    /// Somebody has asked for it: what nobody asks for is reported as ignored.
    pub(crate) taken: Cell<bool>,
}

/// A whole file.
#[derive(Debug)]
pub(crate) struct Tree<'i> {
    pub(crate) source: &'i str,
    pub(crate) root: Element<'i>,
    pub(crate) namespaces: Vec<Box<str>>,
}

impl<'i> Tree<'i> {
    /// Reads a file.
    pub(crate) fn parse(bytes: &'i [u8]) -> Result<Self, ReadError> {
        let source = text_of(bytes)?;
        let mut builder = Builder::new(source);
        match builder.run() {
            Ok(root) => Ok(Self { source, root, namespaces: builder.namespaces }),
            Err(stop) => Err(builder.explain(stop)),
        }
    }

    /// The namespace of an element; empty when it has none.
    pub(crate) fn namespace_of(&self, element: &Element<'_>) -> &str {
        self.namespaces.get(usize::from(element.namespace)).map_or("", AsRef::as_ref)
    }

    /// The path, by local names, of the element at `offset`.
    pub(crate) fn path_to(&self, offset: usize) -> String {
        let mut path = format!("/{}", self.root.name);
        let mut at = &self.root;
        while at.offset != offset {
            let after = at.children.partition_point(|child| child.offset <= offset);
            let Some(next) = after.checked_sub(1).and_then(|index| at.children.get(index)) else {
                break;
            };
            path.push_str(&step(&at.children, next));
            at = next;
        }
        path
    }
}

/// `/Ntry`, or `/Ntry[3]` among several.
fn step(siblings: &[Element<'_>], at: &Element<'_>) -> String {
    let same = |other: &&Element<'_>| other.name == at.name && other.namespace == at.namespace;
    if siblings.iter().filter(same).nth(1).is_none() {
        return format!("/{}", at.name);
    }
    let number = siblings.iter().filter(same).take_while(|other| other.offset <= at.offset).count();
    format!("/{}[{number}]", at.name)
}

/// The bytes as text: bounded, UTF-8, without byte order mark and control characters.
fn text_of(bytes: &[u8]) -> Result<&str, ReadError> {
    let whole = |problem| ReadError { path: WHOLE.to_owned(), line: 1, column: 1, problem };
    if bytes.len() > FILE_BYTES_MAX {
        let expected = format!("a file of at most {FILE_BYTES_MAX} bytes");
        let got = format!("{} bytes", bytes.len());
        let mend = "ask the bank for pages, or for statements of shorter periods";
        return Err(whole(Problem::new(Rule::FileTooLarge, expected, &got, mend)));
    }
    let mend = "save the file as UTF-8 without changing its content";
    if let [0xfe, 0xff, ..] | [0xff, 0xfe, ..] = bytes {
        return Err(whole(Problem::new(Rule::Encoding, "UTF-8", "UTF-16", mend)));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = core::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or(&[]);
        let (line, column) = place(core::str::from_utf8(good).unwrap_or(""), good.len());
        let got = format!("byte {:#04x}", bytes.get(good.len()).copied().unwrap_or(0));
        let problem = Problem::new(Rule::Encoding, "UTF-8", &got, mend);
        ReadError { path: WHOLE.to_owned(), line, column, problem }
    })?;
    match text.char_indices().find(|(_, c)| is_forbidden(*c)) {
        None => Ok(text),
        Some((offset, c)) => {
            let (line, column) = place(text, offset);
            let got = format!("U+{:04X}", u32::from(c));
            let problem = Problem::new(
                Rule::ControlCharacter,
                "text without control characters",
                &got,
                "the sender must remove it",
            );
            Err(ReadError { path: WHOLE.to_owned(), line, column, problem })
        }
    }
}

/// Characters that may stand nowhere: C0 except tab and line ends, DEL, C1, non-characters.
const fn is_forbidden(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{fffe}' | '\u{ffff}')
}

/// Line and column, both from 1, of a place in the text.
pub(crate) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
    let last = before.rsplit('\n').next().unwrap_or("");
    (line, last.chars().count().saturating_add(1))
}

/// A broken rule and where in the file; the path is what is open then.
struct Stop {
    offset: usize,
    problem: Problem,
}

struct Builder<'i> {
    source: &'i str,
    reader: NsReader<&'i [u8]>,
    /// The open elements, the root first.
    open: Vec<Element<'i>>,
    /// The root, once it is closed.
    root: Option<Element<'i>>,
    elements: usize,
    namespaces: Vec<Box<str>>,
}

impl<'i> Builder<'i> {
    fn new(source: &'i str) -> Self {
        let mut reader = NsReader::from_str(source);
        reader.config_mut().check_comments = true;
        reader.resolver_mut().set_max_namespace_bindings(NAMESPACE_DECLARATIONS_MAX);
        Self {
            source,
            reader,
            open: Vec::new(),
            root: None,
            elements: 0,
            namespaces: vec!["".into()],
        }
    }

    fn run(&mut self) -> Result<Element<'i>, Stop> {
        loop {
            let offset = self.offset();
            let event = match self.reader.read_event() {
                Ok(event) => event,
                Err(error) => return Err(self.not_xml(&error, offset)),
            };
            match event {
                Event::Start(start) => self.start(&start, offset)?,
                Event::End(_) => self.end(),
                Event::Empty(start) => {
                    self.start(&start, offset)?;
                    self.end();
                }
                Event::Text(text) => self.text(text.xml10_content(), offset)?,
                Event::CData(text) => self.text(text.xml10_content(), offset)?,
                Event::GeneralRef(reference) => self.reference(&reference, offset)?,
                Event::Comment(_) => self.comment(),
                Event::Decl(declaration) => declared(&declaration, offset)?,
                Event::PI(_) => {
                    let expected = "a file without processing instructions";
                    return Err(stop(offset, Rule::ProcessingInstruction, expected, "<?"));
                }
                Event::DocType(_) => {
                    let expected = "a file without document type declaration";
                    return Err(stop(offset, Rule::DocumentType, expected, "<!DOCTYPE"));
                }
                Event::Eof => break,
            }
        }
        if let Some(open) = self.open.last() {
            let expected = format!("`</{}>`", open.name);
            return Err(stop(self.offset(), Rule::NotXml, expected, "the end of the file"));
        }
        self.root.take().ok_or_else(|| stop(0, Rule::NotXml, "an element", "an empty file"))
    }

    fn start(&mut self, start: &BytesStart<'_>, offset: usize) -> Result<(), Stop> {
        if self.root.is_some() {
            return Err(stop(offset, Rule::NotXml, "one root element", "another"));
        }
        self.elements = self.elements.saturating_add(1);
        if self.elements > ELEMENTS_MAX {
            let expected = format!("at most {ELEMENTS_MAX} elements");
            return Err(stop(offset, Rule::TooManyElements, expected, "more"));
        }
        if self.open.len() >= DEPTH_MAX {
            let expected = format!("at most {DEPTH_MAX} elements within one another");
            return Err(stop(offset, Rule::TooDeep, expected, "more"));
        }
        let local = self.local_name(start, offset)?;
        let namespace = self.namespace(start, offset)?;
        let currency = self.attributes(start, offset)?;
        self.open.push(Element {
            name: local,
            namespace,
            offset,
            currency,
            text: Cow::Borrowed(""),
            children: Vec::new(),
            mixed: false,
            taken: Cell::new(false),
        });
        Ok(())
    }

    /// The local name as a slice of the file.
    fn local_name(&self, start: &BytesStart<'_>, offset: usize) -> Result<&'i str, Stop> {
        let name = start.name().into_inner();
        let local = start.local_name().into_inner();
        if !is_name(name) || !is_name(local) {
            let expected = format!("a name of at most {NAME_BYTES_MAX} letters, digits, `.-_`");
            return Err(stop(offset, Rule::Name, expected, name));
        }
        let from = offset.saturating_add(1).saturating_add(name.len().saturating_sub(local.len()));
        let slice = self.source.get(from..from.saturating_add(local.len()));
        slice
            .filter(|found| *found == local)
            .ok_or_else(|| stop(offset, Rule::NotXml, "a start tag", name))
    }

    fn namespace(&mut self, start: &BytesStart<'_>, offset: usize) -> Result<u8, Stop> {
        let found = match self.reader.resolver().resolve_element(start.name()).0 {
            ResolveResult::Unbound => return Ok(NO_NAMESPACE),
            ResolveResult::Bound(namespace) => namespace.into_inner(),
            ResolveResult::Unknown(prefix) => {
                return Err(stop(offset, Rule::NotXml, "a declared namespace prefix", &prefix));
            }
        };
        let known = self.namespaces.iter().position(|name| name.as_ref() == found);
        let index = known.unwrap_or(self.namespaces.len());
        if index >= NAMESPACES_MAX {
            let expected = format!("at most {NAMESPACES_MAX} namespaces");
            return Err(stop(offset, Rule::TooManyNamespaces, expected, found));
        }
        if known.is_none() {
            self.namespaces.push(found.into());
        }
        u8::try_from(index).map_err(|_| stop(offset, Rule::TooManyNamespaces, "fewer", found))
    }

    /// Checks the attributes and keeps `Ccy`.
    fn attributes(&self, start: &BytesStart<'_>, offset: usize) -> Result<Option<Box<str>>, Stop> {
        let mut currency = None;
        for (index, attribute) in start.attributes().enumerate() {
            if index >= ATTRIBUTES_MAX {
                let expected = format!("at most {ATTRIBUTES_MAX} attributes");
                return Err(stop(offset, Rule::TooManyAttributes, expected, "more"));
            }
            let attribute = attribute
                .map_err(|error| stop(offset, Rule::NotXml, "attributes", &error.to_string()))?;
            let name = attribute.key.into_inner();
            if !is_name(name) {
                return Err(stop(offset, Rule::Name, "an attribute's name", name));
            }
            if attribute.value.contains('<') {
                return Err(stop(offset, Rule::NotXml, "an attribute without `<`", name));
            }
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| stop(offset, Rule::Entity, "a value", &error.to_string()))?;
            if value.chars().any(is_forbidden) {
                return Err(stop(offset, Rule::ControlCharacter, "a value", name));
            }
            if name == CURRENCY_ATTRIBUTE {
                currency = Some(value.into());
            }
        }
        Ok(currency)
    }

    /// Closes the innermost element. The reader has checked that there is one, of this name.
    fn end(&mut self) {
        let Some(mut closed) = self.open.pop() else { return };
        if !closed.children.is_empty() {
            closed.mixed |= !is_white(&closed.text);
            closed.text = Cow::Borrowed("");
            closed.children.shrink_to_fit();
        }
        match self.open.last_mut() {
            None => self.root = Some(closed),
            Some(parent) => parent.children.push(closed),
        }
    }

    fn text(&mut self, text: Cow<'i, str>, offset: usize) -> Result<(), Stop> {
        let Some(open) = self.open.last_mut() else {
            if is_white(&text) {
                return Ok(());
            }
            return Err(stop(offset, Rule::NotXml, "nothing outside the root element", &text));
        };
        if !open.children.is_empty() && is_white(&text) {
            return Ok(());
        }
        if open.text.len().saturating_add(text.len()) > TEXT_BYTES_MAX {
            let expected = format!("at most {TEXT_BYTES_MAX} bytes of text in one element");
            return Err(stop(offset, Rule::TextTooLong, expected, &text));
        }
        if open.text.is_empty() {
            open.text = text
        } else {
            open.text.to_mut().push_str(&text)
        }
        Ok(())
    }

    fn reference(&mut self, reference: &BytesRef<'_>, offset: usize) -> Result<(), Stop> {
        let refused = |rule| {
            let expected = "`&amp;`, `&lt;`, `&gt;`, `&quot;`, `&apos;` or a character's number";
            stop(offset, rule, expected, reference)
        };
        let character = match reference.as_ref() {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => match reference.resolve_char_ref() {
                Ok(Some(character)) => character,
                Ok(None) | Err(_) => return Err(refused(Rule::Entity)),
            },
        };
        if is_forbidden(character) {
            return Err(refused(Rule::ControlCharacter));
        }
        self.text(Cow::Owned(character.to_string()), offset)
    }

    /// A comment between elements is nothing. Inside a value it could split it for one reader and
    /// not for another, so such a value is refused when it is asked for.
    fn comment(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.mixed |= !is_white(&open.text);
        }
    }

    fn offset(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    fn not_xml(&self, error: &XmlError, began: usize) -> Stop {
        if let XmlError::Namespace(NamespaceError::TooManyBindings(_)) = error {
            let expected = format!("at most {NAMESPACE_DECLARATIONS_MAX} namespace declarations");
            return stop(began, Rule::TooManyNamespaces, expected, "more");
        }
        let offset = usize::try_from(self.reader.error_position()).unwrap_or(0).max(began);
        stop(offset, Rule::NotXml, "well-formed XML", &error.to_string())
    }

    fn explain(&self, stop: Stop) -> ReadError {
        let mut path = String::new();
        let mut siblings: &[Element<'_>] = &[];
        for open in &self.open {
            let same = siblings.iter().filter(|other| other.name == open.name).count();
            path.push('/');
            path.push_str(open.name);
            if same > 0 {
                path.push_str(&format!("[{}]", same.saturating_add(1)));
            }
            siblings = &open.children;
        }
        if path.is_empty() {
            WHOLE.clone_into(&mut path);
        }
        let (line, column) = place(self.source, stop.offset);
        ReadError { path, line, column, problem: stop.problem }
    }
}

fn stop(offset: usize, rule: Rule, expected: impl Into<String>, got: &str) -> Stop {
    let foreign = [Rule::DocumentType, Rule::ProcessingInstruction, Rule::Entity];
    let mend = if foreign.contains(&rule) {
        "no ISO 20022 message needs it; ask where this file comes from"
    } else if rule == Rule::NotXml {
        "the file is damaged or no XML; ask the sender for it again"
    } else if rule == Rule::Encoding {
        "ask the sender for the file in UTF-8"
    } else if rule == Rule::ControlCharacter {
        "the sender must remove it"
    } else {
        "no real message reaches this limit; ask where this file comes from"
    };
    Stop { offset, problem: Problem::new(rule, expected, got, mend) }
}

/// The XML declaration: at the start, version 1.0, UTF-8.
fn declared(declaration: &BytesDecl<'_>, offset: usize) -> Result<(), Stop> {
    if offset != 0 {
        return Err(stop(offset, Rule::NotXml, "the XML declaration at the start", "a later one"));
    }
    match declaration.version() {
        Ok(version) if version == "1.0" => {}
        Ok(version) => return Err(stop(offset, Rule::NotXml, "XML version 1.0", &version)),
        Err(error) => return Err(stop(offset, Rule::NotXml, "a version", &error.to_string())),
    }
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(name)) if is_utf8(&name) => Ok(()),
        Some(Ok(name)) => Err(stop(offset, Rule::Encoding, "encoding UTF-8", &name)),
        Some(Err(error)) => Err(stop(offset, Rule::NotXml, "an encoding", &error.to_string())),
    }
}

/// UTF-8 or its subset ASCII.
fn is_utf8(name: &str) -> bool {
    ["UTF-8", "UTF8", "US-ASCII", "ASCII"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Names of ISO 20022 are ASCII; a name of an extension may be any letters.
fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let first = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    first && name.len() <= NAME_BYTES_MAX && name.chars().all(inner)
}

/// White space of XML only.
pub(crate) fn is_white(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}
