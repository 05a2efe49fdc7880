"""Routes for the page's scripts: files and camera frames."""

import asyncio
import shutil

from nicegui import app
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from har.errors import UserError
from har.studio.sessions import Session, Sessions

_MOST_FRAME = 2**20  # bytes of a camera's picture
_FRESH = {"Cache-Control": "no-store"}


def add_routes(sessions: Sessions, most_bytes: int) -> None:
    """Serve a session's files, and take files of up to `most_bytes`, to whoever has its key."""

    @app.put("/studio/{key}/files")
    async def take(request: Request, key: str, name: str) -> Response:
        session = sessions.find(key)
        if session is None:
            return _gone()
        return await _take(request, session, name, most_bytes)

    @app.get("/studio/{key}/files/{number}")
    def give(key: str, number: str, save_as: str = "") -> Response:
        session = sessions.find(key)
        path = session.file(number) if session else None
        if path is None or not path.is_file():
            return _gone()
        return FileResponse(path, filename=save_as or None, headers=_FRESH)

    @app.post("/studio/{key}/cameras/{name}")
    async def look(request: Request, key: str, name: str, time: float) -> Response:
        session = sessions.find(key)
        camera = session.cameras.get(name) if session else None
        if camera is None:
            return _gone()
        content = b""
        async for piece in request.stream():
            content += piece
            if len(content) > _MOST_FRAME:
                return PlainTextResponse("a frame is too large", 413)
        try:
            # The first call may load the pose estimator.
            return JSONResponse(await asyncio.to_thread(lambda: camera().add(content, time)))
        except UserError as error:
            return PlainTextResponse(str(error), 422)

    @app.delete("/studio/{key}/cameras/{name}")
    def begin(key: str, name: str) -> Response:
        session = sessions.find(key)
        if session is None or name not in session.cameras:
            return _gone()
        try:
            session.cameras[name]().clear()
        except UserError as error:
            return PlainTextResponse(str(error), 422)
        return Response()


class Leaving:
    """Lets a browser leave while it is answered.

    The middleware around this one takes it for a fault if there is no response then.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        left = begun = False

        async def received() -> Message:
            nonlocal left
            message = await receive()
            left = left or message["type"] == "http.disconnect"
            return message

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, received, sent)
        except (ClientDisconnect, RuntimeError):  # "No response returned."
            if not left:
                raise
        if left and not begun:
            await Response(status_code=499)(scope, receive, send)  # nobody gets it


async def _take(request: Request, session: Session, name: str, most_bytes: int) -> Response:
    """Write a request's body to a file; whatever it claims, no more than allowed."""
    room = session.room(most_bytes)
    path = session.place(name)
    size = 0
    try:
        with path.open("wb") as file:
            async for piece in request.stream():
                size += len(piece)
                if size > room:
                    break
                file.write(piece)
    except ClientDisconnect:
        size = room + 1
    except OSError as error:
        shutil.rmtree(path.parent, ignore_errors=True)
        return PlainTextResponse(f"{path.name} cannot be kept: {error.strerror}", 507)
    if size > room:
        shutil.rmtree(path.parent, ignore_errors=True)
        return PlainTextResponse(too_large(path.name, room), 413)
    return PlainTextResponse(session.address(path).rpartition("/")[2])


def too_large(name: str, room: int) -> str:
    """The sentence on a file that has more than `room` bytes."""
    return f"{name} is too large: {max(room, 0) // 2**20} MB is the most that is taken here"


def _gone() -> Response:
    return PlainTextResponse("this is no longer here: reload the page", 404)
