//! Addresses: structured parts, or up to seven lines.

use crate::codes::AddressType;
use crate::limits::ADDRESS_LINES_MAX;
use crate::member::{Member, part};
use crate::text::Text;

/// A geographic address (`Address`), the parts of ISO 20022's `PostalAddress`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// What it is.
    pub kind: AddressType,
    /// Division of a large organisation.
    pub department: Option<Text<50>>,
    /// Its sub-division.
    pub sub_department: Option<Text<70>>,
    /// Street.
    pub street: Option<Text<70>>,
    /// Number in the street.
    pub building_number: Option<Text<16>>,
    /// Name of the building.
    pub building_name: Option<Text<35>>,
    /// Floor.
    pub floor: Option<Text<70>>,
    /// Post box.
    pub post_box: Option<Text<16>>,
    /// Room.
    pub room: Option<Text<70>>,
    /// Postal code.
    pub post_code: Option<Text<16>>,
    /// Town.
    pub town: Option<Text<35>>,
    /// Place within the town.
    pub town_location: Option<Text<35>>,
    /// District.
    pub district: Option<Text<35>>,
    /// State, region, province or county.
    pub country_sub_division: Option<Text<35>>,
    /// Free lines, for what the parts do not hold.
    pub lines: Vec<Text<70>>,
    /// ISO 3166-1 alpha-2, or `XX` (C3).
    pub country: Text<2>,
}

part!(Address {
    kind: Member::both("addressType") => one,
    department: Member::both("department") => optional,
    sub_department: Member::both("subDepartment") => optional,
    street: Member::both("streetName") => optional,
    building_number: Member::both("buildingNumber") => optional,
    building_name: Member::both("buildingName") => optional,
    floor: Member::both("floor") => optional,
    post_box: Member::both("postBox") => optional,
    room: Member::both("room") => optional,
    post_code: Member::both("postCode") => optional,
    town: Member::both("townName") => optional,
    town_location: Member::both("townLocationName") => optional,
    district: Member::both("districtName") => optional,
    country_sub_division: Member::both("countrySubDivision") => optional,
    lines: Member::both("addressLine") => list (0, ADDRESS_LINES_MAX),
    country: Member::both("country") => one,
});

impl Address {
    /// Whether it says where (C8): a line, or a street with a number or name of the building.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let building = self.building_number.is_some() || self.building_name.is_some();
        !self.lines.is_empty() || (self.street.is_some() && building)
    }
}
