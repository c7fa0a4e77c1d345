//! Schemas, as YAML.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Schema;

fn yaml(text: &str) -> Value {
    serde_yaml_ng::from_str(text).unwrap()
}

fn errors(errors: &[crate::kinds::FieldError]) -> String {
    errors.iter().map(|error| format!("{}: {}\n", error.field, error.message)).collect()
}

/// What is wrong with a schema.
fn refuses(schema: &str, expected: Expect) {
    let refused = Schema::compile(&yaml(schema), "schema").unwrap_err();
    expected.assert_eq(&errors(&refused));
}

/// An object after pruning and defaults, what was unknown, and what is wrong with it.
fn check(schema: &str, object: &str, expected: Expect) {
    let schema = Schema::compile(&yaml(schema), "schema").unwrap();
    let mut object = yaml(object);
    let unknown = schema.prune(&mut object).unknown;
    schema.fill_in(&mut object);
    let wrong = errors(&schema.validate(&object, None, Default::default()));
    let unknown =
        if unknown.is_empty() { String::new() } else { format!("unknown: {}\n", unknown.join(", ")) };
    expected.assert_eq(&format!("{object}\n{unknown}{wrong}"));
}

const CRON_TAB: &str = "
type: object
properties:
  spec:
    type: object
    required: [cronSpec]
    properties:
      cronSpec: {type: string, pattern: '^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$'}
      image: {type: string, default: busybox, maxLength: 10}
      replicas: {type: integer, minimum: 1, maximum: 10, default: 1}
      policy: {type: string, enum: [Allow, Forbid]}
      at: {type: string, format: date-time, nullable: true}
      port: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}
      free: {type: object, x-kubernetes-preserve-unknown-fields: true}
      labels: {type: object, additionalProperties: {type: string}, maxProperties: 2}
      tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}
      template: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}
      steps:
        type: array
        minItems: 1
        x-kubernetes-list-type: map
        x-kubernetes-list-map-keys: [name]
        items:
          type: object
          required: [name]
          properties: {name: {type: string}, run: {type: string, default: now}}
";

#[test]
fn unknown_fields_go_and_defaults_come() {
    check(
        CRON_TAB,
        "
apiVersion: example.com/v1
kind: CronTab
metadata: {name: a}
extra: 1
spec:
  cronSpec: '* * * * */5'
  at: null
  image: null
  typo: x
  port: 80
  free: {any: [thing]}
  labels: {a: b}
  template: {apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {}}
  steps: [{name: a, what: 1}]
",
        expect![[r#"
            {"apiVersion":"example.com/v1","kind":"CronTab","metadata":{"name":"a"},"spec":{"at":null,"cronSpec":"* * * * */5","free":{"any":["thing"]},"image":"busybox","labels":{"a":"b"},"port":80,"replicas":1,"steps":[{"name":"a","run":"now"}],"template":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"},"spec":{}}}}
            unknown: extra, spec.steps[0].what, spec.typo
        "#]],
    );
}

#[test]
fn violations_are_named_in_kubernetes_words() {
    check(
        CRON_TAB,
        "
spec:
  cronSpec: often
  image: a-very-long-image
  replicas: 11
  policy: Maybe
  at: noon
  port: true
  labels: {a: 1, b: c, d: e}
  tags: [a, b, a]
  steps: [{name: a}, {name: a}, {}]
",
        expect![[r#"
            {"spec":{"at":"noon","cronSpec":"often","image":"a-very-long-image","labels":{"a":1,"b":"c","d":"e"},"policy":"Maybe","port":true,"replicas":11,"steps":[{"name":"a","run":"now"},{"name":"a","run":"now"},{"run":"now"}],"tags":["a","b","a"]}}
            spec.at: Invalid value: "noon": spec.at in body must be of type date-time: "noon"
            spec.cronSpec: Invalid value: "often": spec.cronSpec in body should match '^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$'
            spec.image: Too long: may not be more than 10 bytes
            spec.labels: Too many: 3: must have at most 2 items
            spec.labels.a: Invalid value: "integer": spec.labels.a in body must be of type string: "integer"
            spec.policy: Unsupported value: "Maybe": supported values: "Allow", "Forbid"
            spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"
            spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10
            spec.steps[2].name: Required value
            spec.steps[1]: Duplicate value: {"name":"a"}
            spec.tags[2]: Duplicate value: "a"
        "#]],
    );
}

#[test]
fn types_are_told_apart() {
    check(
        CRON_TAB,
        "{spec: {cronSpec: 1, replicas: 1.5, steps: [], tags: {}}}",
        expect![[r#"
            {"spec":{"cronSpec":1,"image":"busybox","replicas":1.5,"steps":[],"tags":{}}}
            spec.cronSpec: Invalid value: "integer": spec.cronSpec in body must be of type string: "integer"
            spec.replicas: Invalid value: "number": spec.replicas in body must be of type integer: "number"
            <nil>: Invalid value: "": Checked value must be of type integer (default format) in spec.replicas
            spec.steps: Invalid value: 0: spec.steps in body should have at least 1 items
            spec.tags: Invalid value: "object": spec.tags in body must be of type array: "object"
        "#]],
    );
    check(
        CRON_TAB,
        "{spec: []}",
        expect![[r#"
        {"spec":[]}
        spec: Invalid value: "array": spec in body must be of type object: "array"
    "#]],
    );
    check(
        CRON_TAB,
        "{spec: {}}",
        expect![[r#"
        {"spec":{"image":"busybox","replicas":1}}
        spec.cronSpec: Required value
    "#]],
    );
}

#[test]
fn junctors_combine() {
    let schema = "
type: object
properties:
  a: {type: integer, multipleOf: 3}
  b: {type: integer, minimum: 0, exclusiveMinimum: true}
oneOf: [{required: [a]}, {required: [b]}]
not: {required: [c]}
anyOf: [{properties: {a: {minimum: 3}}}]
";
    check(
        schema,
        "{a: 3}",
        expect![[r#"
        {"a":3}
    "#]],
    );
    check(
        schema,
        "{a: 1, b: 0}",
        expect![[r#"
            {"a":1,"b":0}
            <nil>: Invalid value: "": "" must validate at least one schema (anyOf)
            a: Invalid value: 1: a in body should be greater than or equal to 3
            <nil>: Invalid value: "": "" must validate one and only one schema (oneOf). Found 2 valid alternatives
            a: Invalid value: 1: a in body should be a multiple of 3
            b: Invalid value: 0: b in body should be greater than 0
        "#]],
    );
    check(
        schema,
        "{}",
        expect![[r#"
            {}
            <nil>: Invalid value: "": "" must validate one and only one schema (oneOf). Found none valid
            a: Required value
        "#]],
    );
}

#[test]
fn what_is_not_structural_is_refused() {
    refuses(
        "
properties:
  a: {properties: {b: {type: string}}}
  c: {type: array}
  d: {type: array, items: {}, uniqueItems: true}
  e: {type: object, additionalProperties: {type: string}, properties: {x: {type: string}}}
  f: {type: string, pattern: '['}
  g: {type: text}
  h: {type: object, default: {x: 1}}
  i: {type: integer, default: one}
  j: {type: array, x-kubernetes-list-type: map, items: {type: object, properties: {}}}
  k: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [n], items: {type: object, properties: {n: {type: string}}}}
  l: {type: string, $ref: '#/x'}
  metadata: {type: object, properties: {labels: {type: object}}}
allOf: [{type: object, properties: {a: {description: x}}}]
",
        expect![[r#"
            schema.allOf[0].properties[a].description: Forbidden: must be empty to be structural
            schema.allOf[0].type: Forbidden: must be empty to be structural
            schema.properties[a].type: Required value: must not be empty for specified object fields
            schema.properties[c].items: Required value: must be specified
            schema.properties[d].items.type: Required value: must not be empty for specified array items
            schema.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified
            schema.type: Required value: must not be empty at the root
            schema.properties[d].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic
            schema.properties[e].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive
            schema.properties[f].pattern: Invalid value: "[": must be a valid regular expression, but isn't: error: unclosed character class
            schema.properties[g].type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"
            schema.properties[j].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map
            schema.properties[k].items.properties[n].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property
            schema.properties[l].$ref: Forbidden: $ref is not supported
        "#]],
    );
    refuses(
        "{type: string}",
        expect![[r#"
        schema.type: Invalid value: "string": must be object at the root
    "#]],
    );
}

#[test]
fn what_did_not_change_is_not_held_against_an_update() {
    let schema = Schema::compile(&yaml(CRON_TAB), "schema").unwrap();
    let old = yaml("{spec: {cronSpec: often, replicas: 99, steps: [{name: a, run: 1}]}}");
    let mut new = old.clone();
    new["spec"]["steps"].as_array_mut().unwrap().push(json!({"name": "b", "run": 2}));
    expect![[r#"
        spec.steps[1].run: Invalid value: "integer": spec.steps[1].run in body must be of type string: "integer"
    "#]].assert_eq(&errors(&schema.validate(&new, Some(&old), Default::default())));
}

const RULES: &str = "
type: object
x-kubernetes-validations: [{rule: 'has(self.spec)', message: a spec is needed}]
properties:
  spec:
    type: object
    x-kubernetes-validations:
    - {rule: 'self.min <= self.max', messageExpression: '\"min \" + string(self.min) + \" is above \" + string(self.max)', fieldPath: .min}
    - {rule: 'self.names.all(n, n.startsWith(\"a\")) && self.names.exists_one(n, n.size() == 1)'}
    - {rule: '!has(self.kind__dash__of) || self.kind__dash__of in [\"x\", \"y\"]', reason: FieldValueForbidden, message: x or y}
    - {rule: 'oldSelf.fixed == self.fixed', message: fixed is immutable}
    - {rule: 'self.ratio < 1.5', message: too much}
    properties:
      min: {type: integer, default: 1}
      max: {type: integer, default: 3}
      ratio: {type: number, default: 1}
      names: {type: array, default: [a], items: {type: string}}
      kind-of: {type: string}
      fixed: {type: string, default: ''}
";

#[test]
fn rules_are_evaluated() {
    check(
        RULES,
        "{spec: {}}",
        expect![[r#"
        {"spec":{"fixed":"","max":3,"min":1,"names":["a"],"ratio":1}}
    "#]],
    );
    check(
        RULES,
        "{}",
        expect![[r#"
            {}
            <nil>: Invalid value: a spec is needed
        "#]],
    );
    check(
        RULES,
        "{spec: {min: 4, names: [b], kind-of: z, ratio: 2}}",
        expect![[r#"
            {"spec":{"fixed":"","kind-of":"z","max":3,"min":4,"names":["b"],"ratio":2}}
            spec.min: Invalid value: min 4 is above 3
            spec: Invalid value: failed rule: self.names.all(n, n.startsWith("a")) && self.names.exists_one(n, n.size() == 1)
            spec: Forbidden: x or y
            spec: Invalid value: too much
        "#]],
    );
    let schema = Schema::compile(&yaml(RULES), "schema").unwrap();
    let state = |fixed: &str| {
        let mut object = json!({"spec": {"fixed": fixed}});
        schema.fill_in(&mut object);
        object
    };
    assert!(schema.validate(&state("a"), None, Default::default()).is_empty());
    expect![[r#"
        spec: Invalid value: fixed is immutable
    "#]]
    .assert_eq(&errors(&schema.validate(&state("b"), Some(&state("a")), Default::default())));
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    refuses(
        "
type: object
x-kubernetes-validations:
- {rule: 'self.a +'}
- {rule: ''}
- {rule: 'self.a.conjure()'}
- {rule: 'true', messageExpression: '(', reason: Whim}
",
        expect![[r#"
            schema.x-kubernetes-validations[0].rule: Invalid value: "self.a +": compilation failed: ERROR: <input>:1:9: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}
            | self.a +
            | ........^
            schema.x-kubernetes-validations[1].rule: Required value: rule is not specified
            schema.x-kubernetes-validations[2].rule: Invalid value: "self.a.conjure()": compilation failed: ERROR: <input>:1:1: undeclared reference to 'conjure' (in container '')
            schema.x-kubernetes-validations[3].messageExpression: Invalid value: "(": compilation failed: ERROR: <input>:1:2: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}
            | (
            | .^
        "#]],
    );
}

#[test]
fn rules_are_held_against_the_schema() {
    refuses(
        "
type: object
properties:
  spec:
    type: object
    x-kubernetes-validations:
    - {rule: 'self.size > 1 && self.replica > 0'}
    - {rule: 'self.name.first == 1'}
    - {rule: 'self.parts.all(part, part.sort == 1)'}
    - {rule: 'self.labels.all(label, self.labels[label].size() < 9) && has(self.free.anything)'}
    - {rule: 'self.parts.all(a, self.parts.all(b, self.parts.all(c, a == b && b == c)))'}
    properties:
      size: {type: integer}
      name: {type: string}
      labels: {type: object, additionalProperties: {type: string}}
      free: {type: object, x-kubernetes-preserve-unknown-fields: true}
      parts: {type: array, items: {type: object, properties: {kind: {type: string}}}}
      x: {type: array, items: {type: array, items: {type: string}, x-kubernetes-validations: [{rule: 'self.all(s, s == \"string constant\")'}]}}
",
        expect![[r#"
            schema.properties[spec].properties[x].items.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)
            schema.properties[spec].x-kubernetes-validations[0].rule: Invalid value: "self.size > 1 && self.replica > 0": compilation failed: ERROR: <input>:1:1: undefined field 'replica'
            schema.properties[spec].x-kubernetes-validations[1].rule: Invalid value: "self.name.first == 1": compilation failed: ERROR: <input>:1:1: type 'string' does not support field selection
            schema.properties[spec].x-kubernetes-validations[2].rule: Invalid value: "self.parts.all(part, part.sort == 1)": compilation failed: ERROR: <input>:1:1: undefined field 'sort'
            schema.properties[spec].x-kubernetes-validations[3].rule: Invalid value: "self.labels.all(label, self.labels[label].size() < 9) && has(self.free.anything)": compilation failed: ERROR: <input>:1:1: undefined field 'anything'
            schema.properties[spec].x-kubernetes-validations[4].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)
        "#]],
    );
}

#[test]
fn rules_do_not_run_for_ever() {
    let schema = "
type: object
properties:
  parts: {type: array, maxItems: 1000, items: {type: integer, maximum: 1000}, x-kubernetes-validations: [
    {rule: 'self.all(a, self.all(b, a + b > -1))'}, {rule: 'self.size() < 0'}]}
";
    let many: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    check(
        schema,
        &format!("{{parts: [{}]}}", many.join(", ")),
        expect![[r#"
            {"parts":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,60,61,62,63,64,65,66,67,68,69,70,71,72,73,74,75,76,77,78,79,80,81,82,83,84,85,86,87,88,89,90,91,92,93,94,95,96,97,98,99,100,101,102,103,104,105,106,107,108,109,110,111,112,113,114,115,116,117,118,119,120,121,122,123,124,125,126,127,128,129,130,131,132,133,134,135,136,137,138,139,140,141,142,143,144,145,146,147,148,149,150,151,152,153,154,155,156,157,158,159,160,161,162,163,164,165,166,167,168,169,170,171,172,173,174,175,176,177,178,179,180,181,182,183,184,185,186,187,188,189,190,191,192,193,194,195,196,197,198,199,200,201,202,203,204,205,206,207,208,209,210,211,212,213,214,215,216,217,218,219,220,221,222,223,224,225,226,227,228,229,230,231,232,233,234,235,236,237,238,239,240,241,242,243,244,245,246,247,248,249,250,251,252,253,254,255,256,257,258,259,260,261,262,263,264,265,266,267,268,269,270,271,272,273,274,275,276,277,278,279,280,281,282,283,284,285,286,287,288,289,290,291,292,293,294,295,296,297,298,299,300,301,302,303,304,305,306,307,308,309,310,311,312,313,314,315,316,317,318,319,320,321,322,323,324,325,326,327,328,329,330,331,332,333,334,335,336,337,338,339,340,341,342,343,344,345,346,347,348,349,350,351,352,353,354,355,356,357,358,359,360,361,362,363,364,365,366,367,368,369,370,371,372,373,374,375,376,377,378,379,380,381,382,383,384,385,386,387,388,389,390,391,392,393,394,395,396,397,398,399,400,401,402,403,404,405,406,407,408,409,410,411,412,413,414,415,416,417,418,419,420,421,422,423,424,425,426,427,428,429,430,431,432,433,434,435,436,437,438,439,440,441,442,443,444,445,446,447,448,449,450,451,452,453,454,455,456,457,458,459,460,461,462,463,464,465,466,467,468,469,470,471,472,473,474,475,476,477,478,479,480,481,482,483,484,485,486,487,488,489,490,491,492,493,494,495,496,497,498,499,500,501,502,503,504,505,506,507,508,509,510,511,512,513,514,515,516,517,518,519,520,521,522,523,524,525,526,527,528,529,530,531,532,533,534,535,536,537,538,539,540,541,542,543,544,545,546,547,548,549,550,551,552,553,554,555,556,557,558,559,560,561,562,563,564,565,566,567,568,569,570,571,572,573,574,575,576,577,578,579,580,581,582,583,584,585,586,587,588,589,590,591,592,593,594,595,596,597,598,599,600,601,602,603,604,605,606,607,608,609,610,611,612,613,614,615,616,617,618,619,620,621,622,623,624,625,626,627,628,629,630,631,632,633,634,635,636,637,638,639,640,641,642,643,644,645,646,647,648,649,650,651,652,653,654,655,656,657,658,659,660,661,662,663,664,665,666,667,668,669,670,671,672,673,674,675,676,677,678,679,680,681,682,683,684,685,686,687,688,689,690,691,692,693,694,695,696,697,698,699,700,701,702,703,704,705,706,707,708,709,710,711,712,713,714,715,716,717,718,719,720,721,722,723,724,725,726,727,728,729,730,731,732,733,734,735,736,737,738,739,740,741,742,743,744,745,746,747,748,749,750,751,752,753,754,755,756,757,758,759,760,761,762,763,764,765,766,767,768,769,770,771,772,773,774,775,776,777,778,779,780,781,782,783,784,785,786,787,788,789,790,791,792,793,794,795,796,797,798,799,800,801,802,803,804,805,806,807,808,809,810,811,812,813,814,815,816,817,818,819,820,821,822,823,824,825,826,827,828,829,830,831,832,833,834,835,836,837,838,839,840,841,842,843,844,845,846,847,848,849,850,851,852,853,854,855,856,857,858,859,860,861,862,863,864,865,866,867,868,869,870,871,872,873,874,875,876,877,878,879,880,881,882,883,884,885,886,887,888,889,890,891,892,893,894,895,896,897,898,899,900,901,902,903,904,905,906,907,908,909,910,911,912,913,914,915,916,917,918,919,920,921,922,923,924,925,926,927,928,929,930,931,932,933,934,935,936,937,938,939,940,941,942,943,944,945,946,947,948,949,950,951,952,953,954,955,956,957,958,959,960,961,962,963,964,965,966,967,968,969,970,971,972,973,974,975,976,977,978,979,980,981,982,983,984,985,986,987,988,989,990,991,992,993,994,995,996,997,998,999]}
            parts: Invalid value: "array": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: self.all(a, self.all(b, a + b > -1))
        "#]],
    );
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c/* 0-9]{0,6}".prop_map(Value::from),
    ];
    let names = prop_oneof![
        Just("spec"),
        Just("cronSpec"),
        Just("image"),
        Just("steps"),
        Just("name"),
        Just("type"),
        Just("properties"),
        Just("items"),
        Just("default"),
        Just("tags"),
        Just("labels"),
        Just("free"),
        Just("additionalProperties"),
        Just("x-kubernetes-list-type"),
        Just("required"),
        Just("other"),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn pruning_and_defaults_settle(object in values()) {
        let schema = Schema::compile(&yaml(CRON_TAB), "schema").unwrap();
        let mut object = object;
        schema.prune(&mut object);
        schema.fill_in(&mut object);
        let mut again = object.clone();
        prop_assert!(schema.prune(&mut again).unknown.is_empty());
        schema.fill_in(&mut again);
        prop_assert_eq!(&again, &object);
        schema.validate(&object, None, Default::default());
        prop_assert!(schema.validate(&object, Some(&object), Default::default()).is_empty());
    }

    #[test]
    fn any_schema_compiles_or_is_refused(schema in values(), object in values()) {
        if let Ok(schema) = Schema::compile(&schema, "schema") {
            let mut object = object;
            schema.prune(&mut object);
            schema.fill_in(&mut object);
            schema.validate(&object, None, Default::default());
        }
    }
}
