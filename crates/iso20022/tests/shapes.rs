//! Messages for which no file is published, written by hand and validated; and the shapes that
//! only the old statement has.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    reason = "tests: a panic is a failure, and helpers are not marked as tests"
)]

mod support;

use iso20022::{
    CancellationReason, CancellationRejection, CancellationStatus, Choice, Counterparty,
    InvestigationConfirmation, Message, Rule, read,
};
use support::{has_xmllint, schema_errors, vectors};

const OLD: &str = r#"<?xml version="1.0"?>
<s:Document xmlns:s="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><s:BkToCstmrStmt>
<s:GrpHdr><s:MsgId>M-1</s:MsgId><s:CreDtTm>2026-11-22T20:50:00+01:00</s:CreDtTm></s:GrpHdr>
<s:Stmt><s:Id>S-1</s:Id><s:ElctrncSeqNb>7.00</s:ElctrncSeqNb>
<s:CreDtTm>2026-11-22T20:50:00+01:00</s:CreDtTm>
<s:Acct><s:Id><s:IBAN>NL91ABNA0417164300</s:IBAN></s:Id>
<s:Svcr><s:FinInstnId><s:BIC>ABNANL2A</s:BIC></s:FinInstnId></s:Svcr></s:Acct>
<s:Bal><s:Tp><s:CdOrPrtry><s:Cd>PRCD</s:Cd></s:CdOrPrtry></s:Tp><s:Amt Ccy="EUR">0</s:Amt>
<s:CdtDbtInd>CRDT</s:CdtDbtInd><s:Dt><s:Dt>2026-11-21</s:Dt></s:Dt></s:Bal>
<s:Ntry><s:Amt Ccy="EUR">97.50</s:Amt><s:CdtDbtInd>CRDT</s:CdtDbtInd><s:Sts>BOOK</s:Sts>
<s:BkTxCd/>
<s:Chrgs><s:TtlChrgsAndTaxAmt Ccy="EUR">2.50</s:TtlChrgsAndTaxAmt><s:Amt Ccy="EUR">2.00</s:Amt>
</s:Chrgs>
<s:Chrgs><s:Amt Ccy="EUR">0.50</s:Amt><s:CdtDbtInd>DBIT</s:CdtDbtInd></s:Chrgs>
<s:NtryDtls><s:TxDtls><s:AmtDtls><s:TxAmt><s:Amt Ccy="EUR">100.00</s:Amt></s:TxAmt></s:AmtDtls>
<s:RltdPties><s:Dbtr><s:Nm>Lim Ceramics</s:Nm></s:Dbtr></s:RltdPties></s:TxDtls></s:NtryDtls>
</s:Ntry>
<s:Ntry><s:Amt Ccy="EUR">1</s:Amt><s:CdtDbtInd>CRDT</s:CdtDbtInd><s:Sts>PDNG</s:Sts>
<s:BkTxCd/></s:Ntry>
</s:Stmt></s:BkToCstmrStmt></s:Document>"#;

const REQUEST: &str = r#"<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.056.001.08">
<FIToFIPmtCxlReq>
<Assgnmt><Id>CXL-1</Id>
<Assgnr><Agt><FinInstnId><BICFI>ABNANL2A</BICFI></FinInstnId></Agt></Assgnr>
<Assgne><Agt><FinInstnId><BICFI>DBSSSGSG</BICFI></FinInstnId></Agt></Assgne>
<CreDtTm>2026-11-22T20:50:00+00:00</CreDtTm></Assgnmt>
<Undrlyg><TxInf><CxlId>CXL-1-1</CxlId>
<OrgnlGrpInf><OrgnlMsgId>M-1</OrgnlMsgId><OrgnlMsgNmId>pacs.008.001.08</OrgnlMsgNmId></OrgnlGrpInf>
<OrgnlEndToEndId>INV-7</OrgnlEndToEndId>
<OrgnlUETR>7a3ac869-6236-407c-8d83-28f08ece746c</OrgnlUETR>
<OrgnlIntrBkSttlmAmt Ccy="SGD">12400.00</OrgnlIntrBkSttlmAmt>
<OrgnlIntrBkSttlmDt>2026-11-22</OrgnlIntrBkSttlmDt>
<CxlRsnInf><Rsn><Cd>DUPL</Cd></Rsn><AddtlInf>sent twice</AddtlInf></CxlRsnInf>
</TxInf></Undrlyg></FIToFIPmtCxlReq></Document>"#;

const ANSWER: &str = r#"<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.029.001.09">
<RsltnOfInvstgtn>
<Assgnmt><Id>RES-1</Id>
<Assgnr><Agt><FinInstnId><BICFI>DBSSSGSG</BICFI></FinInstnId></Agt></Assgnr>
<Assgne><Agt><FinInstnId><BICFI>ABNANL2A</BICFI></FinInstnId></Agt></Assgne>
<CreDtTm>2026-11-23T08:00:00+08:00</CreDtTm></Assgnmt>
<Sts><Conf>RJCR</Conf></Sts>
<CxlDtls><TxInfAndSts><CxlStsId>RES-1-1</CxlStsId>
<OrgnlEndToEndId>INV-7</OrgnlEndToEndId>
<OrgnlUETR>7a3ac869-6236-407c-8d83-28f08ece746c</OrgnlUETR>
<TxCxlSts>RJCR</TxCxlSts>
<CxlStsRsnInf><Rsn><Cd>CUST</Cd></Rsn></CxlStsRsnInf>
</TxInfAndSts></CxlDtls></RsltnOfInvstgtn></Document>"#;

#[test]
fn what_is_written_by_hand_here_is_valid() {
    if vectors().is_none() || !has_xmllint() {
        return;
    }
    for (schema, text) in
        [("camt.053.001.02", OLD), ("camt.056.001.08", REQUEST), ("camt.029.001.09", ANSWER)]
    {
        assert_eq!(schema_errors(schema, &[text.to_owned()]), "", "{schema}");
    }
}

#[test]
fn the_old_statement_has_plain_codes_parties_and_several_charges() {
    let incoming = read(OLD.as_bytes()).unwrap();
    assert_eq!(incoming.ignored.count, 0);
    let Message::Statements(message) = &incoming.message else { panic!() };
    let statement = &message.statements[0];
    assert_eq!(statement.electronic_sequence, Some(7));
    assert_eq!(statement.account.servicer.as_ref().unwrap().bic().unwrap().as_str(), "ABNANL2A");
    assert!(statement.opening_booked().unwrap().amount.minor().is_zero());
    assert!(statement.closing_booked().is_none());
    let [booked, pending] = statement.entries.as_slice() else { panic!() };
    assert!(booked.booked().is_some() && pending.booked().is_none());
    assert_eq!(booked.charges.total.unwrap().to_string(), "2.50 EUR");
    let charges: Vec<String> =
        booked.charges.records.iter().map(|each| each.amount.to_string()).collect();
    assert_eq!(charges, ["2.00 EUR", "0.50 EUR"]);
    let details = booked.transactions().next().unwrap();
    assert_eq!(details.amount().unwrap().to_string(), "100.00 EUR");
    let debtor = details.parties.as_ref().unwrap().debtor.as_ref().unwrap();
    assert_eq!(debtor.name(), Some("Lim Ceramics"));
    // The new statement does not have these shapes.
    let new = OLD.replace("camt.053.001.02", "camt.053.001.08");
    assert_eq!(read(new.as_bytes()).unwrap_err().problem.rule, Rule::MixedContent);
}

#[test]
fn a_request_to_cancel_and_its_answer_say_what_they_say() {
    let Message::CancellationRequest(request) = read(REQUEST.as_bytes()).unwrap().message else {
        panic!()
    };
    let asked = &request.underlying[0].transactions[0];
    assert!(matches!(&request.assignment.assigner, Counterparty::Agent(agent)
        if agent.bic().unwrap().as_str() == "ABNANL2A"));
    assert_eq!(asked.original_end_to_end_id.as_ref().unwrap().as_str(), "INV-7");
    assert_eq!(asked.original_amount.unwrap().to_string(), "12400.00 SGD");
    assert_eq!(asked.reasons[0].reason, Some(Choice::Code(CancellationReason::Duplicate)));

    let Message::Resolution(answer) = read(ANSWER.as_bytes()).unwrap().message else { panic!() };
    let told = &answer.details[0].transactions[0];
    assert_eq!(answer.confirmation, InvestigationConfirmation::CancellationRejected);
    assert_eq!(told.status, Some(CancellationStatus::Rejected));
    assert_eq!(told.original_uetr, asked.original_uetr);
    let reason = told.reasons[0].reason.as_ref();
    assert_eq!(reason, Some(&Choice::Code(CancellationRejection::CustomerDecision)));
    // A status of another kind answers no cancellation.
    let other = ANSWER.replace("<Conf>RJCR</Conf>", "<AssgnmtCxlConf>true</AssgnmtCxlConf>");
    let error = read(other.as_bytes()).unwrap_err();
    assert_eq!(
        (error.problem.rule, error.path.as_str()),
        (Rule::Missing, "/Document/RsltnOfInvstgtn/Sts/Conf")
    );
}
