//! What is found, and what is not: financial.

use super::check;

#[test]
fn banks_and_accounts() {
    check(
        "financial/routing-number",
        &["routing number 021000021", "ABA: 021000021", "\"routing_number\":\"021000021\""],
        &["routing number 021000022", "021000021", "routing 991000021"],
    );
    check(
        "financial/bic",
        &["SWIFT: DEUTDEFF", "BIC DEUTDEFF500", "swift code CHASUS33XXX"],
        &["swift DEUTXXFF", "DEUTDEFF", "Swift language 5", "swift compiler"],
    );
    check(
        "financial/account-number",
        &[
            "account number 000123456789",
            "Kontonummer 1234567",
            "numéro de compte : 00012345678",
            "acct no. 12345678",
        ],
        &["account number missing", "account 7", "000123456789", "account number 00000000"],
    );
    check("financial/sort-code", &["sort code 20-00-00", "BLZ 37040044"], &["20-00-00", "sort codes"]);
    check("financial/card-security-code", &["CVV: 123", "cvc 4567"], &["cvv", "123"]);
}

#[test]
fn wallets() {
    check(
        "financial/crypto-address",
        &[
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "ETH wallet 0x742d35Cc6634C0532925a3b844Bc454e4438f44e",
        ],
        &[
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
            "sha1 0x742d35Cc6634C0532925a3b844Bc454e4438f44e",
        ],
    );
}
