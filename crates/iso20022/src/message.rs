//! A whole file: the messages that are known, reading one and writing one.

use std::collections::BTreeMap;

use crate::cancellation::{CancellationRequest, Resolution};
use crate::error::{Problem, ReadError, Rule, WriteError};
use crate::header::BusinessHeader;
use crate::limits::IGNORED_PATHS_MAX;
use crate::node::{Fault, Node, Part, Scope};
use crate::out::Writer;
use crate::returns::PaymentReturn;
use crate::statement::{AccountReport, Notifications, Statements, check_each, check_statement};
use crate::status::StatusReport;
use crate::transfer::CreditTransfers;
use crate::tree::{Element, Tree, place};

/// What every namespace of ISO 20022 begins with.
const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:";
/// The header that is read and written.
const HEADER: &str = "head.001.001.02";

/// The messages, with their versions, that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Definition {
    /// camt.029.001.09: answer to a cancellation request.
    Camt029V09,
    /// camt.053.001.02: statement, as many banks still send it. Read only.
    Camt053V02,
    /// camt.053.001.08: statement.
    Camt053V08,
    /// camt.054.001.08: debit and credit notification.
    Camt054V08,
    /// camt.056.001.08: cancellation request.
    Camt056V08,
    /// pacs.002.001.10: status.
    Pacs002V10,
    /// pacs.004.001.09: return.
    Pacs004V09,
    /// pacs.008.001.08: credit transfer.
    Pacs008V08,
}

impl Definition {
    /// Every message that is read.
    pub const ALL: [Self; 8] = [
        Self::Camt029V09,
        Self::Camt053V02,
        Self::Camt053V08,
        Self::Camt054V08,
        Self::Camt056V08,
        Self::Pacs002V10,
        Self::Pacs004V09,
        Self::Pacs008V08,
    ];

    /// The message's identifier, as `MsgDefIdr` and `OrgnlMsgNmId` give it.
    #[must_use]
    pub const fn identifier(self) -> &'static str {
        match self {
            Self::Camt029V09 => "camt.029.001.09",
            Self::Camt053V02 => "camt.053.001.02",
            Self::Camt053V08 => "camt.053.001.08",
            Self::Camt054V08 => "camt.054.001.08",
            Self::Camt056V08 => "camt.056.001.08",
            Self::Pacs002V10 => "pacs.002.001.10",
            Self::Pacs004V09 => "pacs.004.001.09",
            Self::Pacs008V08 => "pacs.008.001.08",
        }
    }

    /// The name of the element below `Document`.
    const fn element(self) -> &'static str {
        match self {
            Self::Camt029V09 => "RsltnOfInvstgtn",
            Self::Camt053V02 | Self::Camt053V08 => "BkToCstmrStmt",
            Self::Camt054V08 => "BkToCstmrDbtCdtNtfctn",
            Self::Camt056V08 => "FIToFIPmtCxlReq",
            Self::Pacs002V10 => "FIToFIPmtStsRpt",
            Self::Pacs004V09 => "PmtRtr",
            Self::Pacs008V08 => "FIToFICstmrCdtTrf",
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// camt.029.
    Resolution(Resolution),
    /// camt.053.
    Statements(Statements),
    /// camt.054.
    Notifications(Notifications),
    /// camt.056.
    CancellationRequest(CancellationRequest),
    /// pacs.002.
    StatusReport(StatusReport),
    /// pacs.004.
    PaymentReturn(PaymentReturn),
    /// pacs.008.
    CreditTransfers(CreditTransfers),
}

impl Message {
    /// Which message it is written as: the newest version that we know.
    #[must_use]
    pub const fn definition(&self) -> Definition {
        match self {
            Self::Resolution(_) => Definition::Camt029V09,
            Self::Statements(_) => Definition::Camt053V08,
            Self::Notifications(_) => Definition::Camt054V08,
            Self::CancellationRequest(_) => Definition::Camt056V08,
            Self::StatusReport(_) => Definition::Pacs002V10,
            Self::PaymentReturn(_) => Definition::Pacs004V09,
            Self::CreditTransfers(_) => Definition::Pacs008V08,
        }
    }

    /// The message's own name, `MsgId` or `Assgnmt/Id`: the same one twice is the same message
    /// twice, or a mistake of the sender.
    #[must_use]
    pub fn message_id(&self) -> &str {
        match self {
            Self::Resolution(message) => message.assignment.id.as_str(),
            Self::Statements(message) => message.header.message_id.as_str(),
            Self::Notifications(message) => message.header.message_id.as_str(),
            Self::CancellationRequest(message) => message.assignment.id.as_str(),
            Self::StatusReport(message) => message.header.message_id.as_str(),
            Self::PaymentReturn(message) => message.header.message_id.as_str(),
            Self::CreditTransfers(message) => message.header.message_id.as_str(),
        }
    }

    /// The statements or notifications in it; none in any other message.
    #[must_use]
    pub fn account_reports(&self) -> Vec<AccountReport<'_>> {
        match self {
            Self::Statements(message) => {
                message.statements.iter().map(AccountReport::Statement).collect()
            }
            Self::Notifications(message) => {
                message.notifications.iter().map(AccountReport::Notification).collect()
            }
            Self::Resolution(_)
            | Self::CancellationRequest(_)
            | Self::StatusReport(_)
            | Self::PaymentReturn(_)
            | Self::CreditTransfers(_) => Vec::new(),
        }
    }

    fn write(&self, out: &mut Writer) {
        let name = self.definition().element();
        match self {
            Self::Resolution(message) => message.write(out, name),
            Self::Statements(message) => message.write(out, name),
            Self::Notifications(message) => message.write(out, name),
            Self::CancellationRequest(message) => message.write(out, name),
            Self::StatusReport(message) => message.write(out, name),
            Self::PaymentReturn(message) => message.write(out, name),
            Self::CreditTransfers(message) => message.write(out, name),
        }
    }
}

/// A file that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Which message and version it came as.
    pub definition: Definition,
    /// `AppHdr`, when there was one.
    pub header: Option<BusinessHeader>,
    /// `Document`.
    pub message: Message,
    /// What was in it and was left aside.
    pub ignored: Ignored,
}

/// Elements that were skipped: known to the schema or not, nothing of ours uses them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Ignored {
    /// How many skipped elements, without those below them.
    pub count: usize,
    /// How many at each path of names, such as `/Document/BkToCstmrStmt/Stmt/Ntry/CardTx`; at
    /// most [`IGNORED_PATHS_MAX`] of them.
    pub paths: BTreeMap<String, usize>,
}

impl Ignored {
    fn of(tree: &Tree<'_>) -> Self {
        let mut ignored = Self::default();
        ignored.collect(&tree.root, &mut String::new());
        ignored
    }

    /// Adds what was not taken below `above`, which is the same again afterwards.
    fn collect(&mut self, element: &Element<'_>, above: &mut String) {
        let length = above.len();
        above.push('/');
        above.push_str(element.name);
        if element.taken.get() {
            for child in &element.children {
                self.collect(child, above);
            }
        } else {
            self.count = self.count.saturating_add(1);
            if let Some(here) = self.paths.get_mut(above.as_str()) {
                *here = here.saturating_add(1);
            } else if self.paths.len() < IGNORED_PATHS_MAX {
                self.paths.insert(above.clone(), 1);
            }
        }
        above.truncate(length);
    }
}

/// Reads a file: one `Document` of a known message, alone or in an envelope with its `AppHdr`.
///
/// It is taken whole or not at all.
pub fn read(bytes: &[u8]) -> Result<Incoming, ReadError> {
    let tree = Tree::parse(bytes)?;
    let (definition, header, message) = take(&tree).map_err(|fault| located(&tree, fault))?;
    Ok(Incoming { definition, header, message, ignored: Ignored::of(&tree) })
}

/// Writes a message, in an envelope with its header if there is one.
///
/// What was written is read back and compared before it is given out.
pub fn write(message: &Message, header: Option<&BusinessHeader>) -> Result<String, WriteError> {
    let definition = message.definition().identifier();
    let mut out = Writer::new();
    match header {
        None => write_document(&mut out, message, definition),
        Some(header) => {
            out.open("Envelope");
            out.next_in(&format!("{NAMESPACE}{HEADER}"));
            header.write(&mut out, "AppHdr");
            write_document(&mut out, message, definition);
            out.close("Envelope");
        }
    }
    let text = out.finish();
    let back = read(text.as_bytes()).map_err(WriteError::Refused)?;
    if back.message != *message || back.header.as_ref() != header || back.ignored.count != 0 {
        return Err(WriteError::Differs { definition });
    }
    Ok(text)
}

fn write_document(out: &mut Writer, message: &Message, definition: &str) {
    out.next_in(&format!("{NAMESPACE}{definition}"));
    out.open("Document");
    message.write(out);
    out.close("Document");
}

fn take(tree: &Tree<'_>) -> Result<(Definition, Option<BusinessHeader>, Message), Fault> {
    let (header, document) = parts_of(tree)?;
    let definition = definition_of(tree, document)?;
    let header = header.map(|element| header_of(tree, element, definition)).transpose()?;
    let scope = Scope { namespace: document.namespace, old: definition == Definition::Camt053V02 };
    let node = Node { element: document, scope };
    node.complex()?;
    let body = node.required(definition.element())?;
    let message = message_of(definition, body)?;
    Ok((definition, header, message))
}

/// The header and the document, marked as taken with the envelope around them.
fn parts_of<'t>(tree: &'t Tree<'t>) -> Result<(Option<&'t Element<'t>>, &'t Element<'t>), Fault> {
    let root = &tree.root;
    root.taken.set(true);
    if root.name == "Document" {
        return Ok((None, root));
    }
    let of_root = |expected: &str, got: &str| {
        let mend = "give the message as the bank sent it: a `Document`, with `AppHdr` or without";
        Fault {
            offset: root.offset,
            below: "",
            problem: Problem::new(Rule::Envelope, expected, got, mend),
        }
    };
    let all = |name| root.children.iter().filter(move |child| child.name == name);
    let mut documents = all("Document");
    let document = documents
        .next()
        .ok_or_else(|| of_root("`Document`, or an envelope around one", root.name))?;
    if documents.next().is_some() {
        return Err(of_root("one `Document` in a file", "several"));
    }
    let mut headers = all("AppHdr");
    let header = headers.next();
    if headers.next().is_some() {
        return Err(of_root("one `AppHdr` in a file", "several"));
    }
    document.taken.set(true);
    if let Some(header) = header {
        header.taken.set(true);
    }
    Ok((header, document))
}

fn definition_of(tree: &Tree<'_>, document: &Element<'_>) -> Result<Definition, Fault> {
    let namespace = tree.namespace_of(document);
    let identifier = namespace.strip_prefix(NAMESPACE);
    let known = Definition::ALL.iter().find(|each| Some(each.identifier()) == identifier);
    known.copied().ok_or_else(|| {
        let all: Vec<&str> = Definition::ALL.iter().map(|each| each.identifier()).collect();
        let expected = format!("a message that is taken: {}", all.join(", "));
        let mend = "ask the bank for one of these messages and versions";
        let problem = Problem::new(Rule::Namespace, expected, namespace, mend);
        Fault { offset: document.offset, below: "", problem }
    })
}

fn header_of(
    tree: &Tree<'_>,
    element: &Element<'_>,
    definition: Definition,
) -> Result<BusinessHeader, Fault> {
    let namespace = tree.namespace_of(element);
    let node = Node { element, scope: Scope { namespace: element.namespace, old: false } };
    if namespace.strip_prefix(NAMESPACE) != Some(HEADER) {
        let mend = "ask the sender for this version of the header, or for the message without one";
        let expected = format!("the header `{HEADER}`");
        return Err(node.fault(Rule::Namespace, expected, namespace, mend));
    }
    let header = BusinessHeader::read(node)?;
    if header.definition.as_str() != definition.identifier() {
        let expected =
            format!("`MsgDefIdr` of the message that follows, `{}`", definition.identifier());
        let mend = "header and message do not belong together; ask the sender";
        let got = header.definition.as_str();
        let named = node.required("MsgDefIdr")?;
        return Err(named.fault(Rule::HeaderMismatch, expected, got, mend));
    }
    Ok(header)
}

fn message_of(definition: Definition, body: Node<'_>) -> Result<Message, Fault> {
    Ok(match definition {
        Definition::Camt029V09 => Message::Resolution(Part::read(body)?),
        Definition::Camt053V02 | Definition::Camt053V08 => {
            let message = Statements::read(body)?;
            check_each(body, "Stmt", &message.statements, check_statement)?;
            Message::Statements(message)
        }
        Definition::Camt054V08 => Message::Notifications(Part::read(body)?),
        Definition::Camt056V08 => Message::CancellationRequest(Part::read(body)?),
        Definition::Pacs002V10 => Message::StatusReport(Part::read(body)?),
        Definition::Pacs004V09 => {
            let message = PaymentReturn::read(body)?;
            crate::returns::check(body, &message)?;
            Message::PaymentReturn(message)
        }
        Definition::Pacs008V08 => {
            let message = CreditTransfers::read(body)?;
            crate::transfer::check(body, &message)?;
            Message::CreditTransfers(message)
        }
    })
}

fn located(tree: &Tree<'_>, fault: Fault) -> ReadError {
    let mut path = tree.path_to(fault.offset);
    if !fault.below.is_empty() {
        path.push('/');
        path.push_str(fault.below);
    }
    let (line, column) = place(tree.source, fault.offset);
    ReadError { path, line, column, problem: fault.problem }
}
