// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/private_root.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using namespace test;

tls_answer make_rootless(root_claim root)
{
    auto tls = make_untrusted("Vendor Server CA");
    tls.missing_root = std::move(root);
    return tls;
}

verdict judged_with(const outcome& what, const std::vector<std::string>& owners)
{
    const auto seen = make_greeted(what, probe_kind::tls);
    auto judged = judge(make_target(server_text, 5223), seen, make_local());
    doubt_missing_root(judged, seen, owners);
    return judged;
}

TEST(private_root, acquits_nobody_and_accuses_nobody_who_names_the_rows_own_root)
{
    const struct {
        const char* what;
        root_claim root;
        std::vector<std::string> owners;
        verdict_kind wanted;
    } cases[] = {
        {"by its organisation", {"Vendor Root CA", "Vendor Inc."}, {"Vendor Inc."}, verdict_kind::unproven},
        {"by its own name", {"Vendor Root CA", ""}, {"X", "Vendor Root CA"}, verdict_kind::unproven},
        {"another's", {"Inspection CA", "Firewall Corp."}, {"Vendor Inc."}, verdict_kind::intercepted},
        {"a row without private roots", {"Vendor Root CA", "Vendor Inc."}, {}, verdict_kind::intercepted},
        {"nobody's name", {"", ""}, {"Vendor Inc."}, verdict_kind::intercepted},
    };
    for (const auto& one : cases) {
        EXPECT_EQ(judged_with(make_rootless(one.root), one.owners).kind, one.wanted) << one.what;
    }
}

TEST(private_root, sentence_names_issuer_and_root_and_where_to_add_it)
{
    const auto judged = judged_with(make_rootless({"Vendor Root CA", "Vendor Inc."}), {"Vendor Inc."});
    EXPECT_EQ(judged.stage, stage::handshake);
    EXPECT_EQ(judged.blame, blame::unknown);
    for (const char* words :
         {"issued by Vendor Server CA", "the root Vendor Root CA (Vendor Inc.)",
          "add the root's PEM file to tls.extra_ca_files"}) {
        EXPECT_NE(judged.sentence.find(words), std::string::npos) << judged.sentence;
    }
}

TEST(private_root, changes_no_other_verdict)
{
    auto forged = make_untrusted("Vendor Server CA"); // its root is here, and did not issue it
    EXPECT_EQ(judged_with(forged, {"Vendor Server CA"}).kind, verdict_kind::intercepted);
    EXPECT_EQ(judged_with(make_trusted(), {"Public CA"}).kind, verdict_kind::open);
    EXPECT_EQ(judged_with(tls_refused{"no"}, {"Vendor Inc."}).sentence.find("root"), std::string::npos);
    verdict untouched{.kind = verdict_kind::intercepted, .sentence = "as before"};
    doubt_missing_root(untouched, {}, {"Vendor Inc."});
    EXPECT_EQ(untouched.sentence, "as before");
}

TEST(private_root, is_in_the_evidence)
{
    const auto shown = to_json(make_seen(make_rootless({"Root", "Vendor Inc."}), probe_kind::tls))["tls"];
    EXPECT_EQ(shown["missing_root"], "Root (Vendor Inc.)");
    EXPECT_FALSE(to_json(make_seen(make_trusted(), probe_kind::tls))["tls"].contains("missing_root"));
    EXPECT_EQ(describe(root_claim{"", "Vendor Inc."}), "Vendor Inc.");
    EXPECT_EQ(describe(root_claim{"Root", ""}), "Root");
}

} // namespace
} // namespace reachd
