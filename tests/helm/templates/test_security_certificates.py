"""Certificates that cert-manager makes."""

import pytest

from tests.helm.chart import Manifest, at, mapping_at, refusal, render

TEMPLATE = "security/certificates.yaml"
DEMO = "cpu-demo-values.yaml"
ISSUER: Manifest = {"name": "authority", "kind": "ClusterIssuer"}


def certificates(**tls: object) -> dict[str, Manifest]:
    """Those that are made, by the Secret that each fills."""
    values = {"tls": {"mode": "certManager", "issuer": ISSUER, **tls}}
    made = render(DEMO, values=values).from_template(TEMPLATE)  # type: ignore[arg-type]
    return {str(at(item, "spec", "secretName")): item for item in made}


@pytest.mark.parametrize(
    "tls", [{"mode": "none"}, {"mode": "secret", "secrets": {"generation": "g", "scoring": "s"}}]
)
def test_there_are_none_where_others_bring_them(tls: Manifest) -> None:
    assert render(DEMO, values={"tls": tls}).from_template(TEMPLATE) == ()


def test_each_server_has_one_for_every_name_of_its_service() -> None:
    made = certificates(extraDnsNames={"generation": ["models.example"], "scoring": []})
    assert set(made) == {
        "demo-expart-serving-generation-tls",
        "demo-expart-serving-scoring-tls",
    }
    names = at(made["demo-expart-serving-generation-tls"], "spec", "dnsNames")
    assert names == [
        "demo-expart-serving-generation",
        "demo-expart-serving-generation.expart",
        "demo-expart-serving-generation.expart.svc",
        "demo-expart-serving-generation.expart.svc.cluster.local",
        "models.example",
    ]
    for item in made.values():
        assert at(item, "spec", "usages") == ["digital signature", "server auth"]
        assert mapping_at(item, "spec", "issuerRef")["name"] == "authority"
        assert mapping_at(item, "spec", "issuerRef")["kind"] == "ClusterIssuer"


def test_callers_have_one_where_they_are_asked_for_it() -> None:
    made = certificates(clientCertificates=True)
    client = made["demo-expart-serving-client-tls"]
    assert at(client, "spec", "usages") == ["digital signature", "client auth"]


def test_a_service_that_is_not_installed_has_none() -> None:
    values: Manifest = {
        "tls": {"mode": "certManager", "issuer": ISSUER},
        "scoring": {"enabled": False},
        "sweep": {"enabled": False},
    }
    made = render(DEMO, values=values).from_template(TEMPLATE)
    assert [at(item, "spec", "secretName") for item in made] == [
        "demo-expart-serving-generation-tls"
    ]


def test_the_issuer_must_be_named() -> None:
    assert "tls.issuer.name" in refusal(DEMO, values={"tls": {"mode": "certManager"}})


def test_given_secrets_must_be_named() -> None:
    said = refusal(DEMO, values={"tls": {"mode": "secret", "secrets": {"generation": "g"}}})
    assert "tls.secrets.scoring" in said
