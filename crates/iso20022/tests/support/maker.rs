//! Messages of every kind, filled at random from a seed: each optional part there or not.

use iso20022::*;
use terms::{BusinessDate, Instant, Minor, Uetr};

/// A small generator (SplitMix64); its stream is the seed's.
pub(crate) struct Maker(u64);

impl Maker {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<T: Clone>(&mut self, among: &[T]) -> T {
        among[usize::try_from(self.below(among.len() as u64)).unwrap()].clone()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    fn some<T>(&mut self, least: u64, make: impl Fn(&mut Self) -> T) -> Vec<T> {
        let count = least + self.below(3);
        (0..count).map(|_| make(self)).collect()
    }

    fn text<const MAX: usize>(&mut self) -> Text<MAX> {
        let alphabet: Vec<char> = "abcXYZ 019.,-&<>\"'/ü你\t\n\r;é".chars().collect();
        let length = 1 + self.below(MAX as u64);
        let text: String = (0..length).map(|_| self.pick(&alphabet)).collect();
        let text = if MAX > 70 { text } else { text.replace(['\t', '\r', '\n'], "_") };
        text.parse().unwrap()
    }

    fn upper<const MAX: usize>(&mut self, length: u64) -> Text<MAX> {
        let text: String = (0..length).map(|_| self.pick(&['A', 'B', 'X', 'Z'])).collect();
        text.parse().unwrap()
    }

    fn reference(&mut self) -> String {
        let inner: String = (0..self.below(33))
            .map(|_| self.pick(&['a', 'Z', '0', '-', ':', '\'', '+', '.']))
            .collect();
        format!("r{inner}x")
    }

    fn money(&mut self) -> Money {
        let currency = self.pick(&["EUR", "JPY", "KWD", "UYW", "SGD"]).parse().unwrap();
        let bound = self.pick(&[10, 100_000, 1_000_000_000_000_000_000]);
        Money::new(Minor::new(u128::from(self.below(bound))), currency).unwrap()
    }

    fn currency(&mut self) -> Currency {
        self.pick(&["EUR", "JPY", "USD"]).parse().unwrap()
    }

    fn rate(&mut self) -> Rate {
        let scale = u8::try_from(self.below(11)).unwrap();
        Decimal::new(1 + self.below(99_999_999_998), scale).unwrap().try_into().unwrap()
    }

    fn decimal(&mut self) -> Decimal {
        let scale = u8::try_from(self.below(18)).unwrap();
        let number = Decimal::new(self.below(1_000_000_000_000_000_000), scale).unwrap();
        if self.flag() { number } else { number.negated() }
    }

    fn date(&mut self) -> BusinessDate {
        BusinessDate::from_days(u32::try_from(self.below(190_000)).unwrap())
    }

    fn time(&mut self) -> IsoDateTime {
        if self.below(3) == 0 {
            return "2026-11-22T20:50:00.120".parse().unwrap();
        }
        let nanos = self.below(16_000_000_000_000_000_000);
        let cut = self.pick(&[1, 1_000_000, 1_000_000_000]);
        IsoDateTime::from(Instant::from_nanos(nanos / cut * cut))
    }

    fn day(&mut self) -> DateOrTime {
        if self.below(2) == 0 {
            DateOrTime::Date(self.date())
        } else {
            DateOrTime::Time(self.time())
        }
    }

    fn uetr(&mut self) -> Uetr {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next().to_be_bytes());
        Uetr::from_random(bytes)
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 0
    }

    fn choice<C>(&mut self, code: impl FnOnce(&mut Self) -> C) -> Choice<C> {
        if self.flag() { Choice::Code(code(self)) } else { Choice::Proprietary(self.text()) }
    }

    fn code4(&mut self) -> Choice<Text<4>> {
        self.choice(|m| m.upper(4))
    }

    fn side(&mut self) -> Side {
        self.pick(Side::ALL)
    }

    fn bic(&mut self) -> Bic {
        self.pick(&["ZABCGB9AXXX", "OPQRUSUV"]).parse().unwrap()
    }

    fn agent(&mut self) -> Agent {
        let institution = Institution {
            bic: self.maybe(Self::bic),
            clearing_member: self.maybe(|m| ClearingMember {
                system: m.maybe(|m| m.choice(|m| m.upper(5))),
                member: m.text(),
            }),
            lei: self.maybe(|_| "097900456789ABCD8944".parse().unwrap()),
            name: self.maybe(Self::text),
            address: self.maybe(Self::address),
            other: self.maybe(|m| OtherInstitution {
                id: m.text(),
                scheme: m.maybe(Self::code4),
                issuer: m.maybe(Self::text),
            }),
        };
        Agent { institution }
    }

    fn address(&mut self) -> Address {
        Address {
            street: self.maybe(Self::text),
            building: self.maybe(Self::text),
            post_code: self.maybe(Self::text),
            town: self.maybe(Self::text),
            subdivision: self.maybe(Self::text),
            country: self.maybe(|m| m.upper(2)),
            lines: self.some(0, Self::text),
        }
    }

    fn party(&mut self) -> Party {
        Party {
            name: self.maybe(Self::text),
            address: self.maybe(Self::address),
            organisation: self.maybe(|m| OrganisationId {
                bic: m.maybe(Self::bic),
                lei: m.maybe(|_| "097900456789ABCD8944".parse().unwrap()),
                other: m.some(0, |m| OtherId {
                    id: m.text(),
                    scheme: m.maybe(Self::code4),
                    issuer: m.maybe(Self::text),
                }),
            }),
            country_of_residence: self.maybe(|m| m.upper(2)),
        }
    }

    fn counterparty(&mut self) -> Counterparty {
        if self.flag() {
            Counterparty::Party(self.party())
        } else {
            Counterparty::Agent(self.agent())
        }
    }

    fn account_id(&mut self) -> AccountId {
        if self.flag() {
            return AccountId::Iban("NL91ABNA0417164300".parse().unwrap());
        }
        AccountId::Other(OtherAccount {
            id: self.text(),
            scheme: self.maybe(Self::code4),
            issuer: self.maybe(Self::text),
        })
    }

    fn account(&mut self) -> Account {
        Account {
            id: self.account_id(),
            currency: self.maybe(Self::currency),
            name: self.maybe(Self::text),
        }
    }

    fn remittance(&mut self) -> Remittance {
        Remittance {
            unstructured: self.some(0, Self::text),
            structured: self.some(0, |m| StructuredRemittance {
                documents: m.some(0, |m| ReferredDocument {
                    number: m.maybe(Self::text),
                    date: m.maybe(Self::date),
                }),
                creditor_reference: m.maybe(Self::text),
                additional: m.some(0, Self::text),
            }),
        }
    }

    fn bank_code(&mut self) -> BankTransactionCode {
        BankTransactionCode {
            domain: self.maybe(|m| TransactionDomain {
                code: m.upper(4),
                family: CodeFamily { code: m.upper(4), subfamily: m.upper(4) },
            }),
            proprietary: self
                .maybe(|m| ProprietaryCode { code: m.text(), issuer: m.maybe(Self::text) }),
        }
    }

    fn exchanged(&mut self) -> AmountExchanged {
        AmountExchanged {
            amount: self.money(),
            exchange: self.maybe(|m| Exchange {
                source: m.currency(),
                target: m.maybe(Self::currency),
                unit: m.maybe(Self::currency),
                rate: m.rate(),
            }),
        }
    }

    fn amounts(&mut self) -> AmountDetails {
        AmountDetails {
            instructed: self.maybe(Self::exchanged),
            transaction: self.maybe(Self::exchanged),
            counter_value: self.maybe(Self::exchanged),
            announced: self.maybe(Self::exchanged),
        }
    }

    fn charges(&mut self) -> Charges {
        Charges {
            total: self.maybe(Self::money),
            records: self.some(0, |m| ChargeRecord {
                amount: m.money(),
                side: m.maybe(Self::side),
                included: m.maybe(Self::flag),
                bearer: m.maybe(|m| m.pick(ChargeBearer::ALL)),
                agent: m.maybe(Self::agent),
            }),
        }
    }

    fn details(&mut self) -> TransactionDetails {
        TransactionDetails {
            references: self.maybe(|m| References {
                message_id: m.maybe(Self::text),
                account_servicer_reference: m.maybe(Self::text),
                payment_information_id: m.maybe(Self::text),
                instruction_id: m.maybe(Self::text),
                end_to_end_id: m.maybe(Self::text),
                uetr: m.maybe(Self::uetr),
                transaction_id: m.maybe(Self::text),
                clearing_reference: m.maybe(Self::text),
            }),
            amount: self.maybe(Self::money),
            side: self.maybe(Self::side),
            amounts: self.maybe(Self::amounts),
            code: self.maybe(Self::bank_code),
            charges: self.charges(),
            parties: self.maybe(|m| RelatedParties {
                debtor: m.maybe(Self::counterparty),
                debtor_account: m.maybe(Self::account),
                ultimate_debtor: m.maybe(Self::counterparty),
                creditor: m.maybe(Self::counterparty),
                creditor_account: m.maybe(Self::account),
                ultimate_creditor: m.maybe(Self::counterparty),
            }),
            agents: self.maybe(|m| RelatedAgents {
                debtor_agent: m.maybe(Self::agent),
                creditor_agent: m.maybe(Self::agent),
            }),
            purpose: self.maybe(Self::code4),
            remittance: self.maybe(Self::remittance),
            dates: self.maybe(|m| RelatedDates {
                accepted_at: m.maybe(Self::time),
                settlement_date: m.maybe(Self::date),
                happened_at: m.maybe(Self::time),
            }),
            returned: self.maybe(|m| ReturnInformation {
                original_code: m.maybe(Self::bank_code),
                originator: m.maybe(Self::party),
                reason: m.maybe(|m| m.choice(|m| m.pick(ReturnReason::NAMED))),
                additional: m.some(0, Self::text),
            }),
            additional: self.maybe(Self::text),
        }
    }

    fn entry(&mut self) -> Entry {
        Entry {
            reference: self.maybe(Self::text),
            amount: self.money(),
            side: self.side(),
            reversal: self.maybe(Self::flag),
            status: self.choice(|m| m.pick(EntryStatus::NAMED)),
            booking_date: self.maybe(Self::day),
            value_date: self.maybe(Self::day),
            account_servicer_reference: self.maybe(Self::text),
            code: self.bank_code(),
            amounts: self.maybe(Self::amounts),
            charges: self.charges(),
            details: self.some(0, |m| EntryDetails {
                batch: m.maybe(|m| BatchInformation {
                    message_id: m.maybe(Self::text),
                    payment_information_id: m.maybe(Self::text),
                    transaction_count: m.maybe(|m| m.below(1_000)),
                    total: m.maybe(Self::money),
                    side: m.maybe(Self::side),
                }),
                transactions: m.some(0, Self::details),
            }),
            additional: self.maybe(Self::text),
        }
    }

    fn statement_account(&mut self) -> StatementAccount {
        StatementAccount {
            id: self.account_id(),
            currency: self.maybe(Self::currency),
            name: self.maybe(Self::text),
            owner: self.maybe(Self::party),
            servicer: self.maybe(Self::agent),
        }
    }

    fn page(&mut self) -> Page {
        Page { number: self.below(100_000), last: self.flag() }
    }

    fn period(&mut self) -> Period {
        Period { from: self.time(), to: self.time() }
    }

    fn totals(&mut self) -> EntryTotals {
        EntryTotals { count: self.maybe(|m| m.below(1_000)), sum: self.maybe(Self::decimal) }
    }

    fn summary(&mut self) -> TransactionSummary {
        TransactionSummary {
            all: self.maybe(Self::totals),
            credits: self.maybe(Self::totals),
            debits: self.maybe(Self::totals),
        }
    }

    fn report_header(&mut self) -> ReportHeader {
        ReportHeader {
            message_id: self.text(),
            created_at: self.time(),
            page: self.maybe(Self::page),
        }
    }

    fn balances(&mut self) -> Vec<Balance> {
        let from = self.below(BalanceType::NAMED.len() as u64 - 1) as usize;
        let named = BalanceType::NAMED[from..].iter().cloned();
        named
            .map(|kind| Balance {
                kind: BalanceKind { code: Choice::Code(kind), subtype: self.maybe(Self::code4) },
                amount: self.money(),
                side: self.side(),
                date: self.day(),
            })
            .collect()
    }

    fn statement(&mut self) -> Statement {
        Statement {
            id: self.text(),
            page: self.maybe(Self::page),
            electronic_sequence: self.maybe(|m| m.below(1_000_000)),
            legal_sequence: self.maybe(|m| m.below(1_000_000)),
            created_at: self.maybe(Self::time),
            period: self.maybe(Self::period),
            copy: self.maybe(|m| m.pick(CopyDuplicate::ALL)),
            account: self.statement_account(),
            balances: self.balances(),
            summary: self.maybe(Self::summary),
            entries: self.some(0, Self::entry),
            additional: self.maybe(Self::text),
        }
    }

    fn notification(&mut self) -> Notification {
        Notification {
            id: self.text(),
            page: self.maybe(Self::page),
            electronic_sequence: self.maybe(|m| m.below(1_000_000)),
            legal_sequence: self.maybe(|m| m.below(1_000_000)),
            created_at: self.maybe(Self::time),
            period: self.maybe(Self::period),
            copy: self.maybe(|m| m.pick(CopyDuplicate::ALL)),
            account: self.statement_account(),
            summary: self.maybe(Self::summary),
            entries: self.some(0, Self::entry),
            additional: self.maybe(Self::text),
        }
    }

    fn settlement(&mut self) -> SettlementInstruction {
        SettlementInstruction {
            method: self.pick(SettlementMethod::ALL),
            account: self.maybe(Self::account),
            clearing_system: self.maybe(|m| SettlementSystem(m.choice(|m| m.upper(3)))),
        }
    }

    fn payment_type(&mut self) -> PaymentType {
        PaymentType {
            service_levels: self.some(0, Self::code4),
            local_instrument: self.maybe(|m| m.choice(Self::text)),
            category_purpose: self.maybe(Self::code4),
        }
    }

    fn charge(&mut self) -> AgentCharge {
        AgentCharge { amount: self.money(), agent: self.agent() }
    }

    fn transfer(&mut self) -> CreditTransfer {
        CreditTransfer {
            ids: PaymentIds {
                instruction_id: self.maybe(|m| m.reference().parse().unwrap()),
                end_to_end_id: self.reference().parse().unwrap(),
                transaction_id: self.maybe(Self::text),
                uetr: self.maybe(Self::uetr),
                clearing_reference: self.maybe(Self::text),
            },
            payment_type: self.maybe(Self::payment_type),
            settlement_amount: self.money(),
            settlement_date: self.maybe(Self::date),
            accepted_at: self.maybe(Self::time),
            instructed_amount: self.maybe(Self::money),
            exchange_rate: self.maybe(Self::rate),
            charge_bearer: self.pick(ChargeBearer::ALL),
            charges: self.some(0, Self::charge),
            instructing_agent: self.maybe(Self::agent),
            instructed_agent: self.maybe(Self::agent),
            intermediary_agent: self.maybe(Self::agent),
            ultimate_debtor: self.maybe(Self::party),
            debtor: self.party(),
            debtor_account: self.maybe(Self::account),
            debtor_agent: self.agent(),
            creditor_agent: self.agent(),
            creditor: self.party(),
            creditor_account: self.maybe(Self::account),
            ultimate_creditor: self.maybe(Self::party),
            purpose: self.maybe(Self::code4),
            remittance: self.maybe(Self::remittance),
        }
    }

    fn transfers(&mut self) -> CreditTransfers {
        let transfers = self.some(1, Self::transfer);
        let one = (transfers.len() == 1).then(|| transfers[0].settlement_amount);
        let header = TransferHeader {
            message_id: self.text(),
            created_at: self.time(),
            transaction_count: transfers.len() as u64,
            control_sum: one.map(|money| money.decimal_text().parse().unwrap()),
            total: one,
            settlement_date: self.maybe(Self::date),
            settlement: self.settlement(),
            payment_type: self.maybe(Self::payment_type),
            instructing_agent: self.maybe(Self::agent),
            instructed_agent: self.maybe(Self::agent),
        };
        CreditTransfers { header, transfers }
    }

    fn group(&mut self) -> OriginalGroup {
        OriginalGroup {
            message_id: self.text(),
            definition: self.text(),
            created_at: self.maybe(Self::time),
        }
    }

    fn original(&mut self) -> OriginalTransaction {
        OriginalTransaction {
            amount: self.maybe(Self::money),
            settlement_date: self.maybe(Self::date),
            remittance: self.maybe(Self::remittance),
            debtor: self.maybe(Self::counterparty),
            debtor_account: self.maybe(Self::account),
            debtor_agent: self.maybe(Self::agent),
            creditor_agent: self.maybe(Self::agent),
            creditor: self.maybe(Self::counterparty),
            creditor_account: self.maybe(Self::account),
        }
    }

    fn status_reason(&mut self) -> StatusReasonInformation {
        StatusReasonInformation {
            originator: self.maybe(Self::party),
            reason: self.maybe(|m| m.choice(|m| m.pick(StatusReason::NAMED))),
            additional: self.some(0, Self::text),
        }
    }

    fn status_report(&mut self) -> StatusReport {
        StatusReport {
            header: StatusHeader {
                message_id: self.text(),
                created_at: self.time(),
                instructing_agent: self.maybe(Self::agent),
                instructed_agent: self.maybe(Self::agent),
            },
            groups: self.some(0, |m| OriginalGroupStatus {
                message_id: m.text(),
                definition: m.text(),
                created_at: m.maybe(Self::time),
                transaction_count: m.maybe(|m| m.below(1_000)),
                status: m.maybe(|m| m.pick(TransactionStatus::NAMED)),
                reasons: m.some(0, Self::status_reason),
            }),
            transactions: self.some(0, |m| TransactionStatusReport {
                status_id: m.maybe(Self::text),
                original_group: m.maybe(Self::group),
                original_instruction_id: m.maybe(|m| m.reference().parse().unwrap()),
                original_end_to_end_id: m.maybe(|m| m.reference().parse().unwrap()),
                original_transaction_id: m.maybe(Self::text),
                original_uetr: m.maybe(Self::uetr),
                status: m.maybe(|m| m.pick(TransactionStatus::NAMED)),
                reasons: m.some(0, Self::status_reason),
                accepted_at: m.maybe(Self::time),
                settled_on: m.maybe(Self::day),
                account_servicer_reference: m.maybe(Self::text),
                clearing_reference: m.maybe(Self::text),
                instructing_agent: m.maybe(Self::agent),
                instructed_agent: m.maybe(Self::agent),
                original: m.maybe(Self::original),
            }),
        }
    }

    fn returned(&mut self) -> ReturnedTransaction {
        ReturnedTransaction {
            return_id: self.maybe(Self::text),
            original_group: self.maybe(Self::group),
            original_instruction_id: self.maybe(|m| m.reference().parse().unwrap()),
            original_end_to_end_id: self.maybe(|m| m.reference().parse().unwrap()),
            original_transaction_id: self.maybe(Self::text),
            original_uetr: self.maybe(Self::uetr),
            original_amount: self.maybe(Self::money),
            original_settlement_date: self.maybe(Self::date),
            amount: self.money(),
            settlement_date: self.maybe(Self::date),
            instructed_amount: self.maybe(Self::money),
            exchange_rate: self.maybe(Self::rate),
            charge_bearer: self.maybe(|m| m.pick(ChargeBearer::ALL)),
            charges: self.some(0, Self::charge),
            instructing_agent: self.maybe(Self::agent),
            instructed_agent: self.maybe(Self::agent),
            chain: self.maybe(|m| ReturnChain {
                debtor: m.counterparty(),
                debtor_agent: m.maybe(Self::agent),
                creditor_agent: m.maybe(Self::agent),
                creditor: m.counterparty(),
            }),
            reasons: self.some(0, |m| ReturnReasonInformation {
                originator: m.maybe(Self::party),
                reason: m.maybe(|m| m.choice(|m| m.pick(ReturnReason::NAMED))),
                additional: m.some(0, Self::text),
            }),
            original: self.maybe(Self::original),
        }
    }

    fn payment_return(&mut self) -> PaymentReturn {
        let transactions = self.some(1, Self::returned);
        let one = (transactions.len() == 1).then(|| transactions[0].amount);
        PaymentReturn {
            header: ReturnHeader {
                message_id: self.text(),
                created_at: self.time(),
                transaction_count: transactions.len() as u64,
                control_sum: one.map(|money| money.decimal_text().parse().unwrap()),
                whole_group: self.maybe(|_| false),
                total: one,
                settlement_date: self.maybe(Self::date),
                settlement: self.settlement(),
                instructing_agent: self.maybe(Self::agent),
                instructed_agent: self.maybe(Self::agent),
            },
            original_group: self.maybe(Self::group),
            transactions,
        }
    }

    fn assignment(&mut self) -> Assignment {
        Assignment {
            id: self.text(),
            assigner: self.counterparty(),
            assignee: self.counterparty(),
            created_at: self.time(),
        }
    }

    fn case(&mut self) -> Case {
        Case { id: self.text(), creator: self.counterparty() }
    }

    fn cancellation_reason(&mut self) -> CancellationReasonInformation {
        CancellationReasonInformation {
            originator: self.maybe(Self::party),
            reason: self.maybe(|m| m.choice(|m| m.pick(CancellationReason::NAMED))),
            additional: self.some(0, Self::text),
        }
    }

    fn requested(&mut self) -> RequestedCancellation {
        RequestedCancellation {
            cancellation_id: self.maybe(Self::text),
            case: self.maybe(Self::case),
            original_group: self.maybe(Self::group),
            original_instruction_id: self.maybe(|m| m.reference().parse().unwrap()),
            original_end_to_end_id: self.maybe(|m| m.reference().parse().unwrap()),
            original_transaction_id: self.maybe(Self::text),
            original_uetr: self.maybe(Self::uetr),
            original_amount: self.maybe(Self::money),
            original_settlement_date: self.maybe(Self::date),
            assigner: self.maybe(Self::agent),
            assignee: self.maybe(Self::agent),
            reasons: self.some(0, Self::cancellation_reason),
            original: self.maybe(Self::original),
        }
    }

    fn cancellation_request(&mut self) -> CancellationRequest {
        CancellationRequest {
            assignment: self.assignment(),
            case: self.maybe(Self::case),
            control: self.maybe(|m| ControlData {
                transaction_count: m.below(1_000),
                control_sum: m.maybe(Self::decimal),
            }),
            underlying: self.some(1, |m| UnderlyingRequests {
                group: m.maybe(|m| RequestedGroup {
                    cancellation_id: m.maybe(Self::text),
                    message_id: m.text(),
                    definition: m.text(),
                    created_at: m.maybe(Self::time),
                    whole_group: m.maybe(Self::flag),
                    reasons: m.some(0, Self::cancellation_reason),
                }),
                transactions: m.some(0, Self::requested),
            }),
        }
    }

    fn answer(&mut self) -> CancellationAnswer {
        CancellationAnswer {
            status_id: self.maybe(Self::text),
            resolved_case: self.maybe(Self::case),
            original_group: self.maybe(Self::group),
            original_instruction_id: self.maybe(|m| m.reference().parse().unwrap()),
            original_end_to_end_id: self.maybe(|m| m.reference().parse().unwrap()),
            original_transaction_id: self.maybe(Self::text),
            original_uetr: self.maybe(Self::uetr),
            status: self.maybe(|m| m.pick(CancellationStatus::ALL)),
            reasons: self.some(0, |m| CancellationStatusReason {
                originator: m.maybe(Self::party),
                reason: m.maybe(|m| m.choice(|m| m.pick(CancellationRejection::NAMED))),
                additional: m.some(0, Self::text),
            }),
            resolved_by: self.maybe(|m| ResolvedTransaction {
                end_to_end_id: m.maybe(|m| m.reference().parse().unwrap()),
                transaction_id: m.maybe(Self::text),
                uetr: m.maybe(Self::uetr),
                amount: m.maybe(Self::money),
                settlement_date: m.maybe(Self::date),
            }),
            original_amount: self.maybe(Self::money),
            original_settlement_date: self.maybe(Self::date),
        }
    }

    fn resolution(&mut self) -> Resolution {
        Resolution {
            assignment: self.assignment(),
            resolved_case: self.maybe(Self::case),
            confirmation: self.pick(InvestigationConfirmation::NAMED),
            details: self.some(0, |m| UnderlyingAnswers { transactions: m.some(0, Self::answer) }),
        }
    }

    /// One message of each kind that is written.
    pub(crate) fn messages(&mut self) -> Vec<Message> {
        vec![
            Message::Resolution(self.resolution()),
            Message::Statements(Statements {
                header: self.report_header(),
                statements: self.some(1, Self::statement),
            }),
            Message::Notifications(Notifications {
                header: self.report_header(),
                notifications: self.some(1, Self::notification),
            }),
            Message::CancellationRequest(self.cancellation_request()),
            Message::StatusReport(self.status_report()),
            Message::PaymentReturn(self.payment_return()),
            Message::CreditTransfers(self.transfers()),
        ]
    }

    fn header_party(&mut self) -> HeaderParty {
        if self.flag() {
            HeaderParty::Organisation(self.party())
        } else {
            HeaderParty::Institution(self.agent())
        }
    }

    /// A header for this message.
    pub(crate) fn header(&mut self, message: &Message) -> BusinessHeader {
        BusinessHeader {
            from: self.header_party(),
            to: self.header_party(),
            message_id: self.text(),
            definition: message.definition().identifier().parse().unwrap(),
            service: self.maybe(Self::text),
            created_at: self.time(),
            copy: self.maybe(|m| m.pick(CopyDuplicate::ALL)),
            possible_duplicate: self.maybe(Self::flag),
        }
    }
}
