"""A FastAPI application that says where it believes to be: its URLs, its paths."""

from fastapi import APIRouter, FastAPI, Request

shelf = APIRouter(prefix="/shelf")
cellar = FastAPI()
app = FastAPI()


@app.get("/tea", name="tea")
@shelf.get("/tea", name="shelved")
async def tea(request: Request) -> dict[str, str]:
    return {
        "path": request.scope["path"],
        "raw_path": request.scope["raw_path"].decode(),
        "root_path": request.scope["root_path"],
        "self": str(request.url),
        "shelved": str(request.url_for("shelved")),
        "wine": str(request.app.url_path_for("wine")) if request.app is cellar else "",
    }


@cellar.get("/wine", name="wine")
async def wine(request: Request) -> dict[str, str]:
    return {"path": request.scope["path"], "self": str(request.url_for("wine"))}


app.include_router(shelf)
app.mount("/cellar", cellar)
