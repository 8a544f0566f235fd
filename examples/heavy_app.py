"""A FastAPI application that imports pandas: imported once it costs its memory once.

prefork serve heavy_app:app --app-dir examples --workers 4                 # one import, shared
prefork serve heavy_app:app --app-dir examples --workers 4 --preload off   # an import per worker
"""

import os

import pandas as pd
from fastapi import FastAPI

SALES = pd.DataFrame({"city": ["Oslo", "Rome", "Lima"] * 1000, "amount": range(3000)})
app = FastAPI()


@app.get("/pid")
async def pid() -> int:
    return os.getpid()


@app.get("/sales")
async def sales() -> dict[str, float]:
    means = SALES.groupby("city")["amount"].mean()
    return {str(city): float(mean) for city, mean in means.items()}
