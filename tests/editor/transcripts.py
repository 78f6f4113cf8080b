"""What three editors see, by pytest-lsp: `transcripts.rs` runs this against a real registry."""

import asyncio
import os

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, client_capabilities

REGISTRY = os.environ["REGISTRY"]
STRANGER = os.environ["STRANGER"]
URI = "file:///home/ann/policy.yaml"


def policy(reference, scheme="registry://"):
    return (
        "apiVersion: policies.kubewarden.io/v1\n"
        "kind: ClusterAdmissionPolicy\n"
        "spec:\n"
        f"  module: {scheme}{reference}\n"
    )


@pytest_lsp.fixture(
    params=["neovim", "visual-studio-code", "emacs"],
    config=ClientServerConfig(
        server_command=[os.environ["VOUCHD"], "connect", "--socket", os.environ["SOCKET"]]
    ),
)
async def client(request, lsp_client: pytest_lsp.LanguageClient):
    capabilities = client_capabilities(request.param)
    params = types.InitializeParams(capabilities=capabilities, process_id=None)
    lsp_client.told = await lsp_client.initialize_session(params)
    lsp_client.refreshed = 0

    @lsp_client.feature(types.WORKSPACE_INLAY_HINT_REFRESH)
    def refresh(*_):
        lsp_client.refreshed += 1

    yield
    await lsp_client.shutdown_session()


def opened(client, text, uri=URI):
    item = types.TextDocumentItem(uri=uri, language_id="yaml", version=1, text=text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=item))


def changed(client, version, text, uri=URI):
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            text_document=types.VersionedTextDocumentIdentifier(uri=uri, version=version),
            content_changes=[types.TextDocumentContentChangeWholeDocument(text=text)],
        )
    )


async def told(client, count, uri=URI):
    """The diagnostics, once there are so many."""
    for _ in range(2000):
        if len(client.diagnostics.get(uri, [None] * 99)) == count:
            return client.diagnostics[uri]
        await asyncio.sleep(0.05)
    raise AssertionError(client.diagnostics)


def place(line=3, character=30):
    return {
        "text_document": types.TextDocumentIdentifier(uri=URI),
        "position": types.Position(line=line, character=character),
    }


def everywhere():
    return types.Range(start=types.Position(line=0, character=0), end=types.Position(line=99, character=0))


async def actions(client):
    params = types.CodeActionParams(
        text_document=types.TextDocumentIdentifier(uri=URI),
        range=everywhere(),
        context=types.CodeActionContext(diagnostics=[]),
    )
    return await client.text_document_code_action_async(params) or []


async def hints(client):
    params = types.InlayHintParams(text_document=types.TextDocumentIdentifier(uri=URI), range=everywhere())
    return await client.text_document_inlay_hint_async(params) or []


async def hinted(client):
    for _ in range(2000):
        if found := await hints(client):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("no hint")


@pytest.mark.asyncio
async def test_session(client):
    can = client.told.capabilities
    assert can.position_encoding == types.PositionEncodingKind.Utf16
    assert can.diagnostic_provider is None
    # What is refused is an error, where it stands.
    opened(client, policy(f"{REGISTRY}/acme/echo:0"))
    [error] = await told(client, 1)
    assert (error.severity, error.source, error.code) == (types.DiagnosticSeverity.Error, "vouchd", "unsigned")
    assert error.range.start.line == 3 and error.range.end.line == 3
    hover = await client.text_document_hover_async(types.HoverParams(**place()))
    assert "Refused" in hover.contents.value and "unsigned" in hover.contents.value
    # What is signed is none.
    changed(client, 5, policy(f"{REGISTRY}/acme/echo:1"))
    await told(client, 0)
    [hint] = await hinted(client)
    assert "signed by" in hint.label, hint
    hover = await client.text_document_hover_async(types.HoverParams(**place()))
    assert "Accepted" in hover.contents.value and os.environ["ACCOUNT"] in hover.contents.value
    # Pinning is offered as an edit, which the editor makes, and all is still well.
    pins = [it for it in await actions(client) if isinstance(it, types.CodeAction) and it.edit]
    assert pins, "it can be pinned"
    edit = pins[0].edit
    if edit.document_changes:
        assert edit.document_changes[0].text_document.version == 5
        [change] = edit.document_changes[0].edits
    else:
        [change] = edit.changes[URI]
    assert "@sha256:" in change.new_text
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            text_document=types.VersionedTextDocumentIdentifier(uri=URI, version=9),
            content_changes=[types.TextDocumentContentChangePartial(range=change.range, text=change.new_text)],
        )
    )
    hover = await client.text_document_hover_async(types.HoverParams(**place()))
    assert "Accepted" in hover.contents.value
    # Tags complete.
    changed(client, 10, policy(f"{REGISTRY}/acme/echo:"))
    end = len(f"  module: registry://{REGISTRY}/acme/echo:")
    params = types.CompletionParams(**place(3, end))
    found = await client.text_document_completion_async(params)
    assert {item.label for item in found.items} >= {"0", "1", "2"}
    # A command does what the method does.
    verified = await client.workspace_execute_command_async(
        types.ExecuteCommandParams(command="vouch.verify", arguments=[f"{REGISTRY}/acme/echo:1"])
    )
    assert dict(verified)["verdict"] == "accepted" if isinstance(verified, dict) else verified.verdict == "accepted"
    client.text_document_did_close(
        types.DidCloseTextDocumentParams(text_document=types.TextDocumentIdentifier(uri=URI))
    )
    assert client.error is None


@pytest.mark.asyncio
async def test_opening(client):
    opened(client, policy(f"{STRANGER}/acme/echo:1"))
    await told(client, 0)
    changed(client, 2, policy(f"{STRANGER}/acme/echo:2"))
    offered = await actions(client)
    assert any("until vouchd stops" in it.title for it in offered), offered
    assert await hints(client) == []
    changed(client, 3, policy(f"{STRANGER}/acme/echo:"))
    end = len(f"  module: registry://{STRANGER}/acme/echo:")
    found = await client.text_document_completion_async(types.CompletionParams(**place(3, end)))
    assert not found.items
    await asyncio.sleep(1)


@pytest.mark.asyncio
async def test_looking(client):
    opened(client, policy(f"{STRANGER}/acme/echo:1"))
    hover = await client.text_document_hover_async(types.HoverParams(**place()))
    assert "Could not be looked up" in hover.contents.value, hover
