// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/config.hpp"
#include "reachd/core/json.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace reachd {
namespace {

class catalogue_check {
public:
    catalogue_check(const std::vector<catalogue>& known, std::string_view text, std::string_view file)
        : known_{&known}, file_{file}
    {
        // `text` was parsed before; should it not parse now, the faults merely have no lines.
        if (auto document = parse_json(text, file, comments::allowed)) {
            document_ = std::move(*document);
        }
        for (const auto& one : known) {
            ids_.push_back(one.id);
        }
    }

    file_faults run(const config& site)
    {
        for (std::size_t index = 0; index < site.catalogues.size(); ++index) {
            find(site.catalogues[index], fmt::format("/catalogues/{}", index));
        }
        for (const auto& [id, values] : site.values) {
            const auto pointer = fmt::format("/values/{}", pointer_token(id));
            const auto* found = find(id, pointer);
            if (found != nullptr) {
                check_values(*found, values, pointer);
            }
        }
        for (const auto& [name, unused] : site.inbound) {
            check_inbound(name, fmt::format("/inbound/{}", pointer_token(name)));
        }
        for (const auto& [name, unused] : site.not_needed) {
            check_row(name, fmt::format("/not_needed/{}", pointer_token(name)));
        }
        std::ranges::stable_sort(faults_, {}, &file_fault::line);
        return std::move(faults_);
    }

private:
    using values_of_one = std::map<std::string, std::vector<std::string>>;

    void note(const std::string& pointer, std::string message, errc code)
    {
        faults_.push_back({file_, pointer, document_.line_of(pointer), std::move(message), code});
    }

    const catalogue* find(const std::string& id, const std::string& pointer)
    {
        const auto found = std::ranges::find(*known_, id, &catalogue::id);
        if (found == known_->end()) {
            note(
                pointer, fmt::format("there is no catalogue {}{}", in_quotes(id), suggestion(id, ids_)),
                errc::not_found
            );
            return nullptr;
        }
        return &*found;
    }

    void check_values(const catalogue& owner, const values_of_one& values, const std::string& above)
    {
        std::vector<std::string_view> names;
        for (const auto& [name, unused] : owner.values) {
            names.push_back(name);
        }
        for (const auto& [name, texts] : values) {
            const auto pointer = fmt::format("{}/{}", above, pointer_token(name));
            const auto found = owner.values.find(name);
            if (found == owner.values.end()) {
                const auto message = fmt::format(
                    "catalogue '{}' has no value {}{}", owner.id, in_quotes(name), suggestion(name, names)
                );
                note(pointer, message, errc::not_found);
            } else {
                check_value(found->second.type, texts, pointer);
            }
        }
    }

    // `name` is that of a row that says who may connect.
    void check_inbound(const std::string& name, const std::string& pointer)
    {
        std::vector<std::string> rows;
        for (const auto& one : *known_) {
            for (const auto& need : one.requirements) {
                const auto* what = std::get_if<inbound>(&need.what);
                if (!what) {
                    continue;
                }
                rows.push_back(one.id + "/" + need.id);
                if (rows.back() == name && what->transport != transport::tcp) {
                    note(pointer, "is about UDP, which is not measured: leave it out", errc::invalid);
                }
            }
        }
        check_among(rows, "inbound row", name, pointer);
    }

    void check_among(
        const std::vector<std::string>& rows, std::string_view what, const std::string& name,
        const std::string& pointer
    )
    {
        if (std::ranges::find(rows, name) == rows.end()) {
            const auto message = fmt::format(
                "there is no {} {}{}; the key is CATALOGUE/REQUIREMENT", what, in_quotes(name),
                suggestion(name, {rows.begin(), rows.end()})
            );
            note(pointer, message, errc::not_found);
        }
    }

    void check_row(const std::string& name, const std::string& pointer)
    {
        std::vector<std::string> rows;
        for (const auto& one : *known_) {
            for (const auto& need : one.requirements) {
                rows.push_back(one.id + "/" + need.id);
            }
        }
        check_among(rows, "row", name, pointer);
    }

    void check_value(value_type type, const std::vector<std::string>& texts, const std::string& pointer)
    {
        if (type != value_type::addresses && texts.size() != 1) {
            const auto* what = type == value_type::port ? "one port" : "one text like \"80,4200-4208\"";
            note(pointer, fmt::format("must be {}, not a list of {}", what, texts.size()), errc::invalid);
            return;
        }
        for (std::size_t index = 0; index < texts.size(); ++index) {
            const auto wrong = value_fault(type, texts[index]);
            if (wrong) {
                const auto element = fmt::format("{}/{}", pointer, index);
                note(document_.lines.contains(element) ? element : pointer, *wrong, errc::invalid);
            }
        }
    }

    const std::vector<catalogue>* known_;
    std::string file_;
    json_document document_;
    std::vector<std::string_view> ids_;
    file_faults faults_;
};

} // namespace

file_faults check_against(
    const config& site, const std::vector<catalogue>& known, std::string_view text, std::string_view file
)
{
    return catalogue_check{known, text, file}.run(site);
}

} // namespace reachd
