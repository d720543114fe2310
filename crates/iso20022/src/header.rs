//! The business application header: head.001.001.02.

use crate::agent::Agent;
use crate::codes::CopyDuplicate;
use crate::node::{Fault, Node, Part, part};
use crate::out::Writer;
use crate::party::Party;
use crate::text::Text;
use crate::time::{IsoDateTime, choice};

/// `BusinessApplicationHeaderV02`: from whom, to whom, which message.
///
/// A signature in it (`Sgntr`) is not checked and not carried: who sent a file is settled by the
/// channel it came through.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BusinessHeader {
    /// `Fr`.
    pub from: HeaderParty,
    /// `To`.
    pub to: HeaderParty,
    /// `BizMsgIdr`.
    pub message_id: Text<35>,
    /// `MsgDefIdr`: must be the message that follows.
    pub definition: Text<35>,
    /// `BizSvc`: for instance `swift.cbprplus.03`.
    pub service: Option<Text<35>>,
    /// `CreDt`.
    pub created_at: IsoDateTime,
    /// `CpyDplct`.
    pub copy: Option<CopyDuplicate>,
    /// `PssblDplct`: the sender does not know whether it was sent before.
    pub possible_duplicate: Option<bool>,
}

part!(BusinessHeader {
    from: "Fr",
    to: "To",
    message_id: "BizMsgIdr",
    definition: "MsgDefIdr",
    service: "BizSvc",
    created_at: "CreDt",
    copy: "CpyDplct",
    possible_duplicate: "PssblDplct",
});

/// `Party44Choice`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HeaderParty {
    /// `OrgId`.
    Organisation(Party),
    /// `FIId`.
    Institution(Agent),
}

impl Part for HeaderParty {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        node.complex()?;
        match (node.one("OrgId")?, node.one("FIId")?) {
            (Some(party), None) => Party::read(party).map(Self::Organisation),
            (None, Some(agent)) => Agent::read(agent).map(Self::Institution),
            (Some(_), Some(_)) => Err(choice(node, "one of `OrgId` and `FIId`", "both")),
            (None, None) => Err(choice(node, "one of `OrgId` and `FIId`", "neither")),
        }
    }

    fn write(&self, out: &mut Writer, name: &str) {
        out.open(name);
        match self {
            Self::Organisation(party) => party.write(out, "OrgId"),
            Self::Institution(agent) => agent.write(out, "FIId"),
        }
        out.close(name);
    }
}
