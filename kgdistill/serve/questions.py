"""The page's questions to a graph, in SPARQL; what comes from a visitor is put in as a term, never as text."""

from __future__ import annotations

ENTITY = """
SELECT ?name (GROUP_CONCAT(DISTINCT ?other; separator="\\u001F") AS ?aliases)
       (GROUP_CONCAT(DISTINCT ?kind; separator="\\u001F") AS ?types) WHERE {{
  {entity} skos:prefLabel ?name .
  OPTIONAL {{ {entity} skos:altLabel ?other }}
  OPTIONAL {{ {entity} a ?type . ?type a rdfs:Class ; rdfs:label ?kind }}
}} GROUP BY ?name LIMIT 1"""

GROUPS = """
SELECT ?predicate ?name ?forward (COUNT(?claim) AS ?claims) (SUM(?one) AS ?kept) (MAX(?score) AS ?best) WHERE {{
  {{ ?claim kgd:subject {entity} BIND(true AS ?forward) }}
  UNION {{ ?claim kgd:object {entity} BIND(false AS ?forward) }}
  ?claim kgd:predicate ?predicate ; kgd:kept ?passed . ?predicate rdfs:label ?name .
  OPTIONAL {{ ?claim kgd:score ?score }}
  BIND(IF(?passed, 1, 0) AS ?one)
}} GROUP BY ?predicate ?name ?forward ORDER BY DESC(?kept) ?name"""

FACTS = """
SELECT ?claim ?id ?kind ?document ?subject ?subjectName ?predicate ?relation ?object ?objectName ?kept ?negated ?hedged
       ?score ?quote ?start ?end ?subjectStart ?subjectEnd ?objectStart ?objectEnd ?rule ?reason ?proposition
       ?subjectText ?relationText ?objectText WHERE {{
  VALUES ?predicate {{ {predicate} }}
  ?claim {place} {entity} ; kgd:predicate ?predicate ; a ?kind ; kgd:kept ?kept {passed} .
  FILTER(?kind IN (kgd:Claim, kgd:ModelClaim))
  ?claim kgd:subject ?subject ; kgd:object ?object ; dcterms:identifier ?id ; kgd:negated ?negated ;
         kgd:hedged ?hedged ; prov:wasDerivedFrom/dcterms:identifier ?document ;
         kgd:subjectText ?subjectText ; kgd:relationText ?relationText ; kgd:objectText ?objectText .
  ?subject skos:prefLabel ?subjectName . ?predicate rdfs:label ?relation .
  OPTIONAL {{ ?object skos:prefLabel ?objectName }}
  OPTIONAL {{ ?claim kgd:score ?score }}
  OPTIONAL {{ ?claim kgd:quote ?quote ; kgd:start ?start ; kgd:end ?end }}
  OPTIONAL {{ ?claim kgd:subjectStart ?subjectStart ; kgd:subjectEnd ?subjectEnd }}
  OPTIONAL {{ ?claim kgd:objectStart ?objectStart ; kgd:objectEnd ?objectEnd }}
  OPTIONAL {{ ?claim kgd:rule ?rule ; kgd:reason ?reason }}
  OPTIONAL {{ ?claim kgd:proposition ?proposition }}
}} ORDER BY DESC(?kept) DESC(?score) ?document ?start LIMIT {limit} OFFSET {offset}"""

VERDICTS = """
SELECT ?claim ?judge ?score ?reason WHERE {{
  VALUES ?claim {{ {claims} }}
  ?claim kgd:verdict ?verdict . ?verdict kgd:judge ?judge ; kgd:score ?score .
  OPTIONAL {{ ?verdict kgd:reason ?reason }}
}} ORDER BY ?claim ?verdict"""

EDGES = """
SELECT ?subject ?predicate ?object ?named ?score ?document ?kind WHERE {{
  {start}
  ?claim kgd:kept true ; kgd:negated false ; kgd:hedged false ; kgd:subject ?subject ; kgd:predicate ?predicate ;
         kgd:object ?object ; a ?kind ; prov:wasDerivedFrom/dcterms:identifier ?document .
  FILTER(?kind IN (kgd:Claim, kgd:ModelClaim))
  BIND(isIRI(?object) AS ?named)
  OPTIONAL {{ ?claim kgd:score ?score }}
}} {order} LIMIT {limit}"""

LABELS = """
SELECT ?thing ?name ?kind WHERE {{
  VALUES ?thing {{ {things} }}
  ?thing skos:prefLabel|rdfs:label ?name .
  OPTIONAL {{ ?thing a ?type . ?type a rdfs:Class ; rdfs:label ?kind }}
}}"""

MERGES = """
SELECT ?id ?kind ?from ?into ?address ?score ?reason WHERE {{
  ?merge a kgd:Merge ; dcterms:identifier ?id ; kgd:kind ?kind ; kgd:from ?from ; kgd:into ?address ;
         kgd:intoName ?into ; kgd:score ?score ; kgd:reason ?reason .
  {filter}
}} ORDER BY ?score ?id LIMIT {limit} OFFSET {offset}"""
