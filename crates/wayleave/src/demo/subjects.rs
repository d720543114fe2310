//! The example firms: what registers, tax offices and bureaus say of them, who is on the sanctions
//! list, and what each bank registered to ask for.

use credential::{
    AccountOwnership, CompanyRegistration, CreditBand, Mandate, TaxStanding,
    claims::{Address, Standing},
};
use policy::{Pack, PackFiles, shipped};
use record::{RegisteredVerifier, Side};
use server::roles::edge::{Customer, registered_verifiers};
use server::roles::issuer::{Subject, Subjects};
use server::roles::supervisor::{JsonEntry, SanctionEdit};
use terms::{Amount, BusinessDate, Minor};

use super::setup::Stage;

/// An example firm.
pub struct Firm {
    /// Its member name and the beginning of its subjects' ids.
    pub key: &'static str,
    /// Its company identifier.
    pub company: &'static str,
    /// Its legal name.
    pub legal_name: &'static str,
    /// Where it is registered.
    pub country: &'static str,
    /// Its bank.
    pub bank: &'static str,
    /// Its account's asset.
    pub asset: &'static str,
    /// Street, postal code, town.
    pub address: [&'static str; 3],
    legal_form: &'static str,
}

/// The firms. The last is on the sanctions list.
pub const FIRMS: [Firm; 3] = [
    Firm {
        key: "brightwater",
        company: "nl-kvk:68750110",
        legal_name: "Brightwater Tools B.V.",
        country: "NL",
        bank: "bank-nl",
        asset: "EUR.2@tcb-sandbox",
        address: ["Kade 12", "3011 AA", "Rotterdam"],
        legal_form: "B.V.",
    },
    Firm {
        key: "lim",
        company: "sg-uen:201912345K",
        legal_name: "Lim Ceramics Pte. Ltd.",
        country: "SG",
        bank: "bank-sg",
        asset: "SGD.2@mas-sandbox",
        address: ["7 Kiln Road", "638001", "Singapore"],
        legal_form: "Pte. Ltd.",
    },
    Firm {
        key: "blacktide",
        company: "sg-uen:201800077Z",
        legal_name: "Blacktide Shipping Pte. Ltd.",
        country: "SG",
        bank: "bank-sg",
        asset: "SGD.2@mas-sandbox",
        address: ["1 Quay Lane", "018956", "Singapore"],
        legal_form: "Pte. Ltd.",
    },
];

/// The most that a firm's clerk may pay at once: 60,000.00 of its account's currency.
pub const MANDATE_LIMIT_MINOR: u128 = 6_000_000;

impl Firm {
    /// The suffix of its country's issuers.
    pub fn suffix(&self) -> &'static str {
        if self.country == "NL" { "nl" } else { "sg" }
    }

    /// The credentials it gets: subject's suffix and issuer's name.
    pub fn credentials(&self) -> Vec<(&'static str, String)> {
        let suffix = self.suffix();
        let mut all = vec![
            ("registration", format!("register-{suffix}")),
            ("account", format!("bank-{suffix}-accounts")),
        ];
        all.push(("mandate", format!("register-{suffix}")));
        if self.country == "NL" {
            all.push(("tax", "tax-nl".into()));
            all.push(("credit", "bureau-nl".into()));
        }
        all
    }
}

/// Everything that may be offered.
pub fn subjects(stage: &Stage) -> anyhow::Result<Subjects> {
    let today = server::system::now().date();
    let mut subjects = Vec::new();
    for firm in &FIRMS {
        let id = |what: &str| format!("{}-{what}", firm.key);
        let register = format!("register-{}", firm.suffix());
        subjects.push(Subject::of(&id("registration"), &register, &registration(firm)?));
        let accounts = format!("bank-{}-accounts", firm.suffix());
        subjects.push(Subject::of(&id("account"), &accounts, &ownership(stage, firm)?));
        subjects.push(Subject::of(&id("mandate"), &register, &mandate(firm, today)?));
        if firm.country == "NL" {
            subjects.push(Subject::of(&id("tax"), "tax-nl", &tax(firm, today)?));
            subjects.push(Subject::of(&id("credit"), "bureau-nl", &credit(firm, today)?));
        }
    }
    Ok(Subjects { subjects })
}

fn registration(firm: &Firm) -> anyhow::Result<CompanyRegistration> {
    let [street, postal_code, locality] = firm.address.map(str::to_owned);
    Ok(CompanyRegistration {
        company: firm.company.parse()?,
        legal_name: firm.legal_name.into(),
        jurisdiction: firm.country.parse()?,
        legal_form: firm.legal_form.into(),
        registered_on: "2019-03-01".parse()?,
        standing: "active".into(),
        activity: "2573".into(),
        address: Address { street, postal_code, locality, country: firm.country.parse()? },
        lei: None,
        directors: vec!["Director of record".into()],
    })
}

fn ownership(stage: &Stage, firm: &Firm) -> anyhow::Result<AccountOwnership> {
    Ok(AccountOwnership {
        company: firm.company.parse()?,
        account: stage.account(firm.key)?,
        institution: firm.bank.parse()?,
        asset: firm.asset.parse()?,
        holder_name: firm.legal_name.into(),
    })
}

fn mandate(firm: &Firm, today: BusinessDate) -> anyhow::Result<Mandate> {
    Ok(Mandate {
        mandate_id: format!("{}-clerk-1", firm.key),
        company: firm.company.parse()?,
        person: "clerk-1".into(),
        role: "payments clerk".into(),
        limit: Amount::new(Minor::new(MANDATE_LIMIT_MINOR), firm.asset.parse()?),
        approvals_required: 1,
        valid_until: BusinessDate::from_days(today.days() + 365),
    })
}

fn tax(firm: &Firm, today: BusinessDate) -> anyhow::Result<TaxStanding> {
    Ok(TaxStanding {
        company: firm.company.parse()?,
        standing: Standing::Good,
        as_of: BusinessDate::from_days(today.days() - 1),
        residence: firm.country.parse()?,
        tax_number: "NL857012345B01".into(),
    })
}

fn credit(firm: &Firm, today: BusinessDate) -> anyhow::Result<CreditBand> {
    Ok(CreditBand {
        company: firm.company.parse()?,
        band: 'B',
        score: 712,
        as_of: today,
        model: "example-bureau-3".into(),
        years_on_file: 6,
    })
}

/// The sanctions list of both supervisors: one example firm, and one name that is near nobody.
pub fn sanctions() -> Vec<SanctionEdit> {
    let entry = |id: &str, name: &str, country: &str| SanctionEdit::PutEntry {
        entry: JsonEntry {
            id: id.into(),
            name: name.into(),
            aliases: vec![],
            dates: vec![],
            countries: vec![country.into()],
            program: "sandbox".into(),
        },
    };
    vec![
        entry("SANDBOX-1", "Blacktide Shipping", "SG"),
        entry("SANDBOX-2", "Ostrava Arms Combine", "KP"),
    ]
}

/// What a bank registered to ask its customers for, and why: exactly what its packs read.
pub fn verifiers(stage: &Stage, bank: &str) -> anyhow::Result<Vec<RegisteredVerifier>> {
    let load = |name: &&str| {
        Pack::load(&pack_named(name).files()).map_err(|e| anyhow::anyhow!("pack {name}: {e}"))
    };
    let packs = packs_of(bank).iter().map(load).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(registered_verifiers(&packs, &stage.url(&format!("{bank}.1"))))
}

/// The packs of a bank, that of its first corridor first.
pub fn packs_of(bank: &str) -> &'static [&'static str] {
    if bank == "bank-nl" { &["nl-sg", "nl-in", "nl-ch"] } else { &["sg-in", "sg-nl"] }
}

/// A bank's customers, as onboarding learned of them.
pub fn customers(bank: &str) -> Vec<Customer> {
    let customer = |firm: &Firm| {
        let [street, post_code, town] = firm.address.map(str::to_owned);
        Customer {
            company: firm.company.into(),
            legal_name: firm.legal_name.into(),
            country: firm.country.into(),
            street,
            post_code,
            town,
            lei: None,
        }
    };
    FIRMS.iter().filter(|firm| firm.bank == bank).map(customer).collect()
}

/// A shipped pack with the sandbox's own parameters.
pub struct SandboxPack {
    shipped: &'static PackFiles<'static>,
    parameters: String,
}

impl SandboxPack {
    /// Its files.
    pub fn files(&self) -> PackFiles<'_> {
        PackFiles { parameters: &self.parameters, ..*self.shipped }
    }
}

/// The pack of a side of the first corridor.
pub fn pack(side: Side) -> SandboxPack {
    pack_named(match side {
        Side::Debtor => "nl-sg",
        Side::Creditor => "sg-in",
    })
}

/// A shipped pack. The sandbox is open at all hours, so that the demo runs at any.
pub fn pack_named(name: &str) -> SandboxPack {
    let known = shipped::PACKS.iter().find(|one| one.name == name);
    let shipped = known.map_or(&shipped::NL_SG, |one| &one.files);
    let mut parameters: serde_json::Value =
        serde_json::from_str(shipped.parameters).unwrap_or_default();
    let years: Vec<String> = (2020..2100_u32).map(|year| year.to_string()).collect();
    let always = [
        ("opensMinute", serde_json::json!(0)),
        ("closesMinute", serde_json::json!(1440)),
        ("lastWeekday", serde_json::json!(7)),
        // A set that forbids by its words may not be empty.
        ("holidays", serde_json::json!(["1970-01-01"])),
        ("calendarYears", serde_json::json!(years)),
    ];
    let rows = parameters.get_mut("parameters").and_then(|rows| rows.as_array_mut());
    for row in rows.into_iter().flatten() {
        let name = row.get("name").and_then(|name| name.as_str()).unwrap_or_default();
        if let Some((_, value)) = always.iter().find(|(parameter, _)| *parameter == name) {
            let first = serde_json::json!([{ "from": "2026-01-01", "value": value }]);
            if let Some(values) = row.get_mut("values") {
                *values = first;
            }
        }
    }
    SandboxPack { shipped, parameters: parameters.to_string() }
}
