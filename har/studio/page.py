"""The page and its server."""

from importlib.resources import files
from pathlib import Path

from nicegui import Client, app, ui
from starlette.middleware.trustedhost import TrustedHostMiddleware

from har.recognition.recognizer import Recognizer
from har.studio.explore import Explore
from har.studio.routes import Leaving, add_routes
from har.studio.sessions import Session, Sessions
from har.studio.teach import Teach
from har.studio.watch import Watch
from har.studio.work import Studio

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(
    models: dict[str, Recognizer],
    estimators: str | None,
    persons: int,
    most_bytes: int,
    prepared: Path | None,
    host: str,
    port: int,
    browser: bool,
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        models: name -> recogniser, the first is the usual one.
        estimators: folder of pose estimators, None for MoveNet in the user's cache.
        persons: most persons of a video.
        most_bytes: of a file that is taken.
        prepared: folder of the pipeline's prepared clips, None where there is none.
        host: address to listen on; others than loopback let the network in.
        port: to listen on.
        browser: open the page in the user's browser.
    """
    sessions = Sessions()
    studio = Studio(models, estimators, most_bytes, persons, prepared)
    add_routes(sessions, most_bytes)
    app.on_shutdown(sessions.close)
    if host in _LOOPBACK:
        # A page from elsewhere whose name was made to mean this machine has another host.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])
    app.add_middleware(Leaving)
    style = files("har.studio").joinpath("style.css").read_text(encoding="utf-8")

    @ui.page("/", title="har studio")
    async def page(client: Client) -> None:
        ui.add_css(style)
        ui.colors(primary="#0072B2")
        await client.connected()
        tab = client.tab_id
        if tab is None:  # whoever asked runs no script
            return
        session = sessions.enter(tab)
        client.on_delete(lambda: sessions.leave(tab))
        _lay_out(studio, session)

    print(f"open http://{host}:{port}/, stop with Ctrl-C", flush=True)
    ui.run(
        host=host,
        port=port,
        show=browser,
        reload=False,
        title="har studio",
        tailwind=False,
        show_welcome_message=False,
        favicon="🏃",
        language="en-GB",
    )


def _lay_out(studio: Studio, session: Session) -> None:
    with ui.header().classes("top"):
        ui.label("har studio").classes("title")
        with ui.tabs().props("dense no-caps inline-label") as tabs:
            first, second, third = ui.tab("Watch"), ui.tab("Teach"), ui.tab("Explore")
    panels = ui.tab_panels(tabs, value=first, keep_alive=True, animated=False).classes("panels")
    with panels, ui.tab_panel(first).classes("watch"):
        watch = Watch(studio, session)
    with panels, ui.tab_panel(second).classes("teach"):
        Teach(studio, session, watch.offer)
    with panels, ui.tab_panel(third).classes("explore"):
        Explore(studio, session, watch.models)
