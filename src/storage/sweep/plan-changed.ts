/** Rolls a batch back whose plan no longer holds. The run is planned anew with the same horizon. */
export class PlanChanged extends Error {
  constructor(words: string) {
    super(words);
    this.name = 'PlanChanged';
  }
}
