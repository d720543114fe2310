//! Elements out: no prefix, two spaces a level, one default namespace per document.

/// A file being written.
#[derive(Debug)]
pub(crate) struct Writer {
    text: String,
    depth: usize,
    /// The namespace that the next element declares.
    next: Option<String>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self {
            text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(),
            depth: 0,
            next: None,
        }
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// `<name>`, the first of a name's alternatives.
    pub(crate) fn open(&mut self, name: &str) {
        self.indent();
        self.text.push('<');
        self.text.push_str(first(name));
        if let Some(namespace) = self.next.take() {
            self.text.push_str(&format!(" xmlns=\"{namespace}\""));
        }
        self.text.push_str(">\n");
        self.depth = self.depth.saturating_add(1);
    }

    /// The next element that is opened declares this default namespace.
    pub(crate) fn next_in(&mut self, namespace: &str) {
        self.next = Some(namespace.to_owned());
    }

    /// `</name>`.
    pub(crate) fn close(&mut self, name: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.indent();
        self.text.push_str("</");
        self.text.push_str(first(name));
        self.text.push_str(">\n");
    }

    /// `<name>text</name>`.
    pub(crate) fn value(&mut self, name: &str, text: &str) {
        self.attributed(name, "", text);
    }

    /// `<name Ccy="EUR">text</name>`.
    pub(crate) fn amount(&mut self, name: &str, currency: &str, text: &str) {
        self.attributed(name, &format!(" Ccy=\"{currency}\""), text);
    }

    /// Writes `Outer/Inner` as one element within another; a plain name as it is.
    pub(crate) fn within(&mut self, name: &str, write: impl FnOnce(&mut Self, &str)) {
        match name.split_once('/') {
            None => write(self, name),
            Some((outer, inner)) => {
                self.open(outer);
                write(self, inner);
                self.close(outer);
            }
        }
    }

    fn attributed(&mut self, name: &str, attributes: &str, text: &str) {
        let name = first(name);
        self.indent();
        self.text.push_str(&format!("<{name}{attributes}>"));
        for character in text.chars() {
            match character {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                // A reader turns a bare one into a line feed.
                '\r' => self.text.push_str("&#13;"),
                other => self.text.push(other),
            }
        }
        self.text.push_str(&format!("</{name}>\n"));
    }

    fn indent(&mut self) {
        for _ in 0..self.depth {
            self.text.push_str("  ");
        }
    }
}

fn first(name: &str) -> &str {
    let name = name.trim_end_matches('+');
    name.split_once('|').map_or(name, |(first, _)| first)
}
