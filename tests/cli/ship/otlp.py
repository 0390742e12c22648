"""otlp.py FILE: reads an ExportProfilesServiceRequest by the specification's field numbers (opentelemetry-proto 1.9.0, written down
here once more, apart from the agent's .proto), checks its rules (zero values at index 0, no index out of range, one key once), and prints
JSON: {"resource": {…}, "profiles": [{"type", "unit", "total", "functions": {leaf function: value}, "attributes": {"key=value": total},
"start", "end", "id"}]}."""
import json
import sys

# message: {field: (name, kind)}; kind: a message's name, "int", "str", "bytes"; "*" for lists
SPEC = {
    "ExportProfilesServiceRequest": {1: ("resource_profiles", "*ResourceProfiles"), 2: ("dictionary", "ProfilesDictionary")},
    "ResourceProfiles": {1: ("resource", "Resource"), 2: ("scope_profiles", "*ScopeProfiles")},
    "ScopeProfiles": {1: ("scope", "InstrumentationScope"), 2: ("profiles", "*Profile")},
    "Resource": {1: ("attributes", "*KeyValue")},
    "InstrumentationScope": {1: ("name", "str"), 2: ("version", "str")},
    "KeyValue": {1: ("key", "str"), 2: ("value", "AnyValue")},
    "AnyValue": {1: ("string_value", "str"), 3: ("int_value", "int")},
    "ProfilesDictionary": {1: ("mapping_table", "*Mapping"), 2: ("location_table", "*Location"), 3: ("function_table", "*Function"),
                           4: ("link_table", "*Link"), 5: ("string_table", "*str"), 6: ("attribute_table", "*KeyValueAndUnit"), 7: ("stack_table", "*Stack")},
    "Profile": {1: ("sample_type", "ValueType"), 2: ("samples", "*Sample"), 3: ("time_unix_nano", "int"), 4: ("duration_nano", "int"),
                5: ("period_type", "ValueType"), 6: ("period", "int"), 7: ("profile_id", "bytes")},
    "ValueType": {1: ("type_strindex", "int"), 2: ("unit_strindex", "int")},
    "Sample": {1: ("stack_index", "int"), 2: ("attribute_indices", "*int"), 3: ("link_index", "int"), 4: ("values", "*int")},
    "Mapping": {1: ("memory_start", "int"), 2: ("memory_limit", "int"), 3: ("file_offset", "int"), 4: ("filename_strindex", "int"), 5: ("attribute_indices", "*int")},
    "Stack": {1: ("location_indices", "*int")},
    "Location": {1: ("mapping_index", "int"), 2: ("address", "int"), 3: ("lines", "*Line"), 4: ("attribute_indices", "*int")},
    "Line": {1: ("function_index", "int"), 2: ("line", "int")},
    "Function": {1: ("name_strindex", "int"), 2: ("system_name_strindex", "int"), 3: ("filename_strindex", "int"), 4: ("start_line", "int")},
    "Link": {1: ("trace_id", "bytes"), 2: ("span_id", "bytes")},
    "KeyValueAndUnit": {1: ("key_strindex", "int"), 2: ("value", "AnyValue"), 3: ("unit_strindex", "int")},
}


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value - (1 << 64) if value >= 1 << 63 else value, at


def read(kind, data):
    out = {name: [] if of[0] == "*" else None for name, of in SPEC[kind].values()}
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        name, of = SPEC[kind][tag >> 3]  # an unknown field ends the test
        if tag & 7 == 0:
            value, at = varint(data, at)
            values = [value]
        elif tag & 7 == 1:
            values, at = [int.from_bytes(data[at:at + 8], "little")], at + 8
        else:
            assert tag & 7 == 2
            length, at = varint(data, at)
            part, at = data[at:at + length], at + length
            assert len(part) == length
            if of.strip("*") == "int":
                values, inner = [], 0
                while inner < length:
                    value, inner = varint(part, inner)
                    values.append(value)
            elif of.strip("*") == "str":
                values = [part.decode("utf-8")]
            else:
                values = [part if of == "bytes" else read(of.strip("*"), part)]
        if of[0] == "*":
            out[name] += values
        else:
            out[name] = values[-1]
    return out


def is_zero(item):
    return all(value in (None, 0, "", []) for value in item.values())


def any_value(value):
    return value["string_value"] if value["string_value"] is not None else value["int_value"] or 0


def main():
    request = read("ExportProfilesServiceRequest", open(sys.argv[1], "rb").read())
    tables = request["dictionary"]
    strings, stacks, attributes = tables["string_table"], tables["stack_table"], tables["attribute_table"]
    assert strings[0] == "" and len(set(strings)) == len(strings)
    for name in "mapping_table", "location_table", "function_table", "attribute_table", "stack_table":
        assert is_zero(tables[name][0]), name
        items = [json.dumps(item, sort_keys=True) for item in tables[name]]
        assert name in ("mapping_table", "location_table", "function_table") or len(set(items)) == len(items), name
    assert [len(tables["link_table"][0][key]) for key in ("trace_id", "span_id")] == [16, 8]

    def attributes_of(indices):
        pairs = [(strings[attributes[i]["key_strindex"]], any_value(attributes[i]["value"])) for i in indices]
        assert len({key for key, _ in pairs}) == len(pairs) and 0 not in indices
        return pairs

    def function_of(location):
        assert location > 0
        lines = tables["location_table"][location]["lines"]
        return strings[tables["function_table"][lines[0]["function_index"]]["name_strindex"]] if lines else ""

    for mapping in tables["mapping_table"][1:]:
        assert strings[mapping["filename_strindex"] or 0]
        attributes_of(mapping["attribute_indices"])
    for location in tables["location_table"]:
        assert 0 <= (location["mapping_index"] or 0) < len(tables["mapping_table"])
    out = []
    for resource in request["resource_profiles"]:
        for scope in resource["scope_profiles"]:
            assert scope["scope"]["name"] == "gumshoe" and scope["scope"]["version"]
            for profile in scope["profiles"]:
                one = {"type": strings[profile["sample_type"]["type_strindex"]], "unit": strings[profile["sample_type"]["unit_strindex"]], "total": 0,
                       "functions": {}, "attributes": {}, "start": profile["time_unix_nano"], "period": profile["period"],
                       "end": profile["time_unix_nano"] + (profile["duration_nano"] or 0), "id": profile["profile_id"].hex()}
                assert len(profile["profile_id"]) == 16
                for sample in profile["samples"]:
                    (value,) = sample["values"]
                    one["total"] += value
                    stack = stacks[sample["stack_index"] or 0]["location_indices"]
                    leaf = function_of(stack[0]) if stack else ""
                    one["functions"][leaf] = one["functions"].get(leaf, 0) + value
                    for key, text in attributes_of(sample["attribute_indices"]):
                        pair = "%s=%s" % (key, text)
                        one["attributes"][pair] = one["attributes"].get(pair, 0) + value
                out.append(one)
    resource = {pair["key"]: any_value(pair["value"]) for pair in request["resource_profiles"][0]["resource"]["attributes"]}
    print(json.dumps({"resource": resource, "profiles": out}))


main()
