//! OpenID4VCI 1.0.
